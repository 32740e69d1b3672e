// Package video reads frames of files, streams and cameras, and writes files of them, through
// the program ffmpeg where that is installed: [Open], [OpenCamera], [Create]. Frames come in
// their own order and none is left out; [Latest] is for those who would rather miss some than
// be late.
//
// It decodes nothing itself and knows no network.
package video
