package weights

import (
	"slices"
	"strings"
)

// wrappers are the prefixes of models that were saved inside
// torch.nn.DataParallel or AveragedModel, compiled, or inside transformers'
// TimmWrapper. No network has them as a level of its own.
var wrappers = []string{"module.", "_orig_mod.", "timm_model."}

// insides are the names that torch.compile and FSDP put between those of a
// network, wherever a part was wrapped. PyTorch keeps them for itself.
var insides = []string{"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}

// bookkeeping are tensors beside those of a wrapped network that are no part of
// it: AveragedModel's number of averaged models.
var bookkeeping = []string{"n_averaged"}

// trainers are the prefixes that training code often gives a network, and that
// other networks have as a level of their own.
var trainers = []string{"model.", "net.", "network.", "backbone."}

// unwrapped takes off wrappers that all names have, and leaves bookkeeping
// out where that was beside them. It returns the new name of each, "" of what is
// left out, and what was taken off.
func unwrapped(names []string) (bare []string, prefix string) {
	if slices.Contains(names, "") {
		return names, ""
	}
	bare = names
	for again := true; again; {
		again = false
		for _, w := range wrappers {
			if cut, ok := cutAll(bare, w); ok {
				bare, prefix, again = cut, prefix+w, true
			}
		}
	}
	bare = slices.Clone(bare)
	for i, name := range bare {
		bare[i] = withoutInsides(name)
	}
	if unique(bare) {
		return bare, prefix
	}
	return names, ""
}

// withoutInsides drops the parts of a name that insides lists, but not the first,
// which is the whole network's.
func withoutInsides(name string) string {
	if !slices.ContainsFunc(insides, func(s string) bool { return strings.Contains(name, "."+s+".") }) {
		return name
	}
	parts := strings.Split(name, ".")
	inside := slices.DeleteFunc(parts[1:], func(p string) bool { return slices.Contains(insides, p) })
	return strings.Join(append(parts[:1], inside...), ".")
}

// cutAll takes a prefix off all names, one at least, that are no bookkeeping.
func cutAll(names []string, prefix string) (cut []string, ok bool) {
	cut = make([]string, len(names))
	for i, name := range names {
		rest, has := strings.CutPrefix(name, prefix)
		switch {
		case has && rest != "":
			cut[i], ok = rest, true
		case name == "" || slices.Contains(bookkeeping, name):
		default:
			return nil, false
		}
	}
	return cut, ok
}

// unique says whether no two names that are there are the same.
func unique(names []string) bool {
	seen := map[string]bool{}
	for _, name := range names {
		if name != "" && seen[name] {
			return false
		}
		seen[name] = true
	}
	return true
}

// Unwrap takes off what training code puts in front of all names of a network,
// such as the model. of PyTorch Lightning's modules. As other networks have such
// levels of their own, knows says whether a source has the names of a network
// that the caller knows: it is asked first about src as it is, then without one
// prefix, two, …. Unwrap returns the first source that it knows and what was
// taken off, or src itself and "" where it knows none.
func Unwrap(src Source, knows func(Source) bool) (inner Source, prefix string) {
	inner = src
	for !knows(inner) {
		names := inner.Names()
		at := slices.IndexFunc(trainers, func(t string) bool { _, ok := cutAll(names, t); return ok })
		if at < 0 {
			return src, ""
		}
		bare, _ := cutAll(names, trainers[at])
		bare, more := unwrapped(bare)
		prefix += trainers[at] + more
		inner = renamedTo(inner, names, bare)
	}
	return inner, prefix
}

// renamedTo shows tensors under new names, those of "" not at all.
func renamedTo(src Source, names, bare []string) Source {
	r := &renamed{src: src, parts: map[string][]string{}}
	for i, name := range names {
		r.put(bare[i], -1, name)
	}
	return r
}
