// Package viewer shows in a window what a model does while it does it, and lets
// a person steer it.
//
// A [Session] is what is shown: pictures on the device, a strip of the steps
// made, facts for the line below. It knows the model; this package knows the
// window, the keys and the layout. [Viewer.Run] opens a window and returns when
// it is closed; [Viewer.Picture] draws the same into a picture of the host, for
// machines without a display.
//
// Three goroutines share the work. The window's own thread waits for events,
// never longer than 25 ms, and changes nothing but the state of the window; one
// draws, straight from the device's buffers, when something changed and at most
// 30 times a second; one passes commands on to the session. So the window
// answers while a submit occupies the device and while a session is busy.
//
// Windows are GLFW's: X11 (also under XWayland), Cocoa, Win32. On macOS the
// package locks the main goroutine to the main thread, and Run must be called
// there. With the build tag headless GLFW is left out, and Run says so.
package viewer
