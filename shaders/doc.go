// Package shaders holds the WGSL kernels and the text transformation that
// specialises them: constants and the workgroup size are replaced by name, other
// forms of declarations, such as for floats in place of halves, stand in the file
// beside those that they replace, functions may come from another file, and marked
// blocks are repeated. One file, view.wgsl, is no kernel: it draws windows.
//
// Every file is valid WGSL as it stands, with its smallest tile, and says in
// its header what it computes, from which bindings, and what one workgroup
// does. Specialisation is text in, text out.
//
// It is not a preprocessor: there is no include, no conditional and no
// macro. It compiles nothing, chooses no variant and knows no GPU; package
// ops does the choosing and package gpu the compiling.
package shaders
