package weights

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPickleAsksForSomethingElse(t *testing.T) {
	const drop = "0"
	other := aTensor + drop // a storage has to be named
	for _, c := range []struct{ pickle, module, name string }{
		{other + made(global("argparse", "Namespace")), "argparse", "Namespace"},
		{other + dictOf(str("model"), global("torch.nn", "Linear")+")\x81}b"), "torch.nn", "Linear"},
		{dictOf(str("c"), aTensor, str("a"), made(global("torch._utils", "_rebuild_qtensor"), "N")), "torch._utils", "_rebuild_qtensor"},
		{dictOf(str("a"), aTensor, str("b"), made(global("numpy._core.multiarray", "_reconstruct"), "N")), "numpy._core.multiarray", "_reconstruct"},
		{stored("ComplexFloatStorage", "0", 4), "torch", "ComplexFloatStorage"},
		{other + global("torch._utils\x1b[31m", "_rebuild_tensor_v2"), "torch._utils\x1b[31m", "_rebuild_tensor_v2"},
		{other + global("", ""), "", ""},
	} {
		_, err := openTorch(t, program(c.pickle))
		var refused *PickleError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, PickleError{c.module, c.name}, *refused)
		assert.NotContains(t, err.Error(), "\x1b")
		assert.ErrorContains(t, err, ", which is not a tensor; load it in Python, if you trust it, and save the tensors alone")
	}
}

// What runs commands in Python is refused by name, wherever it stands: nothing is
// called here, but the file's owner might load it there next.
func TestPickleThatAttacks(t *testing.T) {
	for _, c := range []struct{ pickle, want string }{
		{made(global("os", "system"), str("true")), "os.system"},
		{dictOf(str("a"), aTensor, str("b"), made(global("posix", "system"), str("true"))), "posix.system"},
		{str("builtins") + str("eval") + "\x93", "builtins.eval"},
		{global("os.path", "join"), "os.path.join"},
	} {
		_, err := openTorch(t, program(c.pickle))
		assert.ErrorContains(t, err, "open checkpoint x.pth: its pickle asks for "+c.want+", which no checkpoint needs and which runs commands: it is an attack")
	}
}

// Training scripts save objects of any class beside the weights; they are read
// over, in every way in which pickles make them.
func TestForeignObjectsBesideTheWeights(t *testing.T) {
	namespace := global("argparse", "Namespace") + ")\x81" + dictOf(str("lr"), "G\x3f\xf0\x00\x00\x00\x00\x00\x00", str("device"), made(global("torch", "device"), str("cuda"))) + "b"
	for name, value := range map[string]string{
		"namespace":       namespace,
		"in a list":       "](" + namespace + namespace + "e",
		"as a key":        dictOf(namespace, "N"),
		"called":          made(global("numpy._core.multiarray", "scalar"), made(global("numpy", "dtype"), str("f8"), "\x89\x88"), "C\x01x"),
		"its result":      made(made(global("functools", "partial"), global("torch.nn", "LayerNorm"))),
		"list of a class": global("omegaconf.listconfig", "ListConfig") + ")\x81(NNe",
		"dict of a class": global("easydict", "EasyDict") + ")\x81" + str("a") + "Ns(" + str("b") + "Nu",
		"by names":        global("some", "Config") + ")" + dictOf(str("a"), "N") + "\x92",
		"set":             "\x8f(NN\x90",
		"frozen set":      "(NN\x91",
		"bytearray":       "\x96\x01\x00\x00\x00\x00\x00\x00\x00x",
		"twice":           "N2\x86",
		"long int":        "\x8b\x09\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01",
		"default dict":    made(global("collections", "defaultdict"), global("builtins", "dict")) + str("a") + "Ns",
		"optimizer":       dictOf(str("state"), dictOf("K\x00", dictOf(str("exp_avg"), aTensor)), str("param_groups"), "]}a"),
		"in itself":       global("some", "Node") + ")\x81q\x00" + dictOf(str("self"), "h\x00") + "b",
	} {
		c, err := openTorch(t, program(dictOf(str("model"), dictOf(str("a"), aTensor), str("args"), value)))
		require.NoError(t, err, name)
		assert.Equal(t, []string{"a"}, c.Names(), name)
		assert.Equal(t, []float32{0, 1, 2, 3}, float32sOf(t, c.tensors["a"]), name)
	}
}

// Parameters with attributes of their own are rebuilt by another function.
func TestTensorsWithAttributes(t *testing.T) {
	of := func(class, function string) string {
		return made(global("torch._tensor", "_rebuild_from_type_v2"), function, class,
			"("+stored("FloatStorage", "0", 4)+"K\x00"+ints(4)+ints(1)+"\x89}t", dictOf(str("tag"), "K\x01"))
	}
	rebuild := global("torch._utils", "_rebuild_tensor_v2")
	for _, class := range []string{global("torch", "Tensor"), global("torch.nn.parameter", "Parameter")} {
		c, err := openTorch(t, program(dictOf(str("a"), of(class, rebuild))))
		require.NoError(t, err)
		assert.Equal(t, []float32{0, 1, 2, 3}, float32sOf(t, c.tensors["a"]))
	}
	for _, bad := range []string{of(global("torchao", "Int4Tensor"), rebuild), of(global("torch", "Tensor"), "N"), of("N", "N")} {
		_, err := openTorch(t, program(dictOf(str("a"), bad)))
		assert.Error(t, err)
	}
}

func TestHostilePickles(t *testing.T) {
	floats := stored("FloatStorage", "0", 4)
	inDict := func(value string) string { return dictOf(str("a"), aTensor, str("b"), value) }
	bomb := "](K\x01e"
	for range 99 { // a list of the last list twice
		bomb = bomb + "q\x00" + "0" + "](h\x00h\x00e"
	}
	long := strings.Repeat("x", maxName+1)
	for name, c := range map[string]struct{ pickle, want string }{
		"empty stack":              {"0", "opcode 0x30 at byte 2: the stack is empty"},
		"nothing made":             {"", "the stack is empty"},
		"unknown opcode":           {"\xff", "opcode 0xff at byte 2, which torch.save does not write"},
		"persistent id as text":    {"P0\n", "opcode 0x50"},
		"object by class":          {"(ios\nsystem\n", "opcode 0x69"},
		"extension":                {"\x82\x01", "opcode 0x82"},
		"protocol 0":               {"\x80\x00", "protocol 0; 2 to 5 are read"},
		"length beyond the file":   {"X\xff\xff\xff\xff", "the file is truncated"},
		"length of all bits":       {"\x8d\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615 more bytes are wanted"},
		"no mark":                  {"t", "there is no mark"},
		"pop beyond a mark":        {"N(0", "the stack is empty"},
		"memo that is empty":       {"h\x07", "memo 7 is empty"},
		"memo that is far":         {"j\xff\xff\xff\xff", "memo 4294967295 is empty"},
		"append to None":           {"NNa", "found None where a list is wanted"},
		"set in a list":            {"]NNs", "found a list or tuple where a dict is wanted"},
		"key without value":        {"}(Nu", "a key without its value"},
		"call of a str":            {str("a") + ")R", "found a str where a function is wanted"},
		"call of a storage class":  {global("torch", "FloatStorage") + ")R", "found a type or function where a function is wanted"},
		"arguments that are None":  {global("torch", "Size") + "NR", "found None where arguments are wanted"},
		"Size of None":             {made(global("torch", "Size"), "N"), "one list or tuple is wanted"},
		"dict of None":             {made(global("collections", "OrderedDict"), "N"), "one list or tuple is wanted"},
		"dict of numbers":          {made(global("collections", "OrderedDict"), ints(1, 2)), "something else than pairs"},
		"build of a list":          {"]Nb", "found a list or tuple where a dict, a tensor or an object"},
		"parameter of a number":    {made(global("torch._utils", "_rebuild_parameter"), num(1)), "something else than a tensor"},
		"parameter of nothing":     {made(global("torch._utils", "_rebuild_parameter")), "something else than a tensor"},
		"global name without end":  {"cos", "a name without an end"},
		"global name too long":     {"c" + long + "\nx\n", "a name without an end"},
		"global name on the stack": {str(long) + str("x") + "\x93", "a name of 257 bytes"},
		"global of numbers":        {"NN\x93", "found None where a str is wanted"},
		"persistent number":        {"NQ", "a persistent id that is no storage"},
		"persistent module":        {"(" + str("module") + "NNNNtQ", "a persistent id that is no storage"},
		"storage of a dtype":       {"(" + str("storage") + global("torch", "float32") + str("0") + str("cpu") + "K\x04tQ", "where a storage's type is wanted"},
		"storage with a key None":  {"(" + str("storage") + global("torch", "FloatStorage") + "N" + str("cpu") + "K\x04tQ", "found None where a str is wanted"},
		"storage of size None":     {"(" + str("storage") + global("torch", "FloatStorage") + str("0") + str("cpu") + "NtQ", "found None where a size is wanted"},
		"storage of negative size": {stored("FloatStorage", "0", -4), "-4 is no size"},
		"storage that overflows":   {stored("FloatStorage", "0", math.MaxInt64/2), "overflows"},
		"storage of two types":     {"(" + floats + stored("LongStorage", "0", 2) + "t", "storage 0 is F32 [4] and I64 [2]"},
		"storage of two sizes":     {"(" + floats + stored("FloatStorage", "0", 5) + "t", "storage 0 is F32 [4] and F32 [5]"},
		"tensor of a number":       {tensor(num(0), 0, ints(), ints()), "found an int where a storage is wanted"},
		"tensor of little":         {made(global("torch._utils", "_rebuild_tensor"), floats), "a tensor of 1 arguments"},
		"tensor v3 of little":      {made(global("torch._utils", "_rebuild_tensor_v3"), floats, num(0), ints(), ints()), "a tensor of 4 arguments"},
		"tensor v3 without dtype":  {made(global("torch._utils", "_rebuild_tensor_v3"), floats, num(0), ints(), ints(), "NNN"), "found None where a dtype"},
		"tensor with its neg bit":  {made(global("torch._utils", "_rebuild_tensor_v2"), floats, num(0), ints(), ints(), "NN", dictOf(str("neg"), "\x88")), "conj or neg bit"},
		"negative offset":          {tensor(floats, -1, ints(2), ints(1)), "-1 is no size"},
		"negative shape":           {tensor(floats, 0, ints(-2), ints(1)), "-2 is no size"},
		"negative stride":          {tensor(floats, 3, ints(2), ints(-1)), "-1 is no size"},
		"shape of an int":          {tensor(floats, 3, num(2), ints(1)), "found an int where a tuple of sizes"},
		"shape of long ints":       {tensor(floats, 0, "(\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01t", ints(1)), "found an int where a size"},
		"shape beyond strides":     {tensor(floats, 0, ints(2, 2), ints(1)), "strides [1] for shape [2 2]"},
		"33 dimensions":            {tensor(floats, 0, ints(make([]int64, 33)...), ints(make([]int64, 33)...)), "33 dimensions, at most 32"},
		"storage too short":        {dictOf(str("a"), tensor(floats, 0, ints(5), ints(1))), "reach beyond its storage of 4 elements"},
		"offset beyond":            {dictOf(str("a"), tensor(floats, 4, ints(), ints())), "reach beyond"},
		"offset of all bits":       {dictOf(str("a"), tensor(floats, math.MaxInt64, ints(2), ints(1))), "reach beyond"},
		"stride beyond":            {dictOf(str("a"), tensor(floats, 1, ints(2, 2), ints(2, 1))), "reach beyond"},
		"stride that overflows":    {dictOf(str("a"), tensor(floats, 0, ints(3), ints(math.MaxInt64))), "reach beyond"},
		"shape that overflows":     {dictOf(str("a"), tensor(floats, 0, ints(1<<32, 1<<32), ints(0, 0))), "overflows"},
		"expanded without end":     {dictOf(str("a"), tensor(floats, 0, ints(1<<40), ints(0))), "more than 4 times the file"},
		"list in itself":           {inDict("]q\x00h\x00a"), "a list or dict contains itself"},
		"dict in itself":           {"}q\x00" + str("state_dict") + "h\x00s", "a list or dict contains itself"},
		"list in a tuple in it":    {inDict("]q\x00h\x00\x85a"), "a list or dict contains itself"},
		"nested without end":       {inDict(strings.Repeat("]", 5000) + strings.Repeat("a", 4999)), "nested more than 100 deep"},
		"tuples without end":       {inDict(")" + strings.Repeat("\x85", 1_000_000)), "nested more than 100 deep"},
		"lists within lists":       {inDict(bomb), "nested more than 100 deep"},
		"steps without end":        {strings.Repeat("N", maxSteps+1), "more than 2097152 steps are needed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := openTorch(t, program(c.pickle))
			require.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), "\n")
			assert.Less(t, len(err.Error()), 400)
		})
	}
}

// A list that holds another twice, and so on, 2⁹⁰ in the end, costs nothing.
func TestBillionLaughs(t *testing.T) {
	bomb := "](K\x01e"
	for range 90 {
		bomb += "q\x000](h\x00h\x00e"
	}
	c, err := openTorch(t, program(dictOf(str("a"), aTensor, str("b"), bomb)))
	require.NoError(t, err)
	assert.Equal(t, []string{"a"}, c.Names())
}

// The most that a pickle can ask for with the fewest bytes is bounded.
func TestCostOfAPickle(t *testing.T) {
	shape := ints(make([]int64, 32)...)
	again := global("torch._utils", "_rebuild_tensor_v2") + "q\x00(" + stored("FloatStorage", "0", 4) + num(0) +
		shape + shape + "NNtq\x01" + strings.Repeat("h\x00h\x01R0", 1_000_000)
	pairs := "](" + strings.Repeat(ints(1, 2)+"q\x02"+strings.Repeat("h\x02", 9), 100_000/10) + "e\x85q\x01" + global("collections", "OrderedDict") + "q\x00"
	for name, pickle := range map[string]string{
		"dicts":         strings.Repeat("}\x94", 2_000_000),
		"tensors again": again,
		"pairs again":   pairs + strings.Repeat("h\x00h\x01R", 1_000_000),
		"a long key":    dictOf(str(strings.Repeat("k", 10_000_000)) + "q\x00h\x00" + strings.Repeat("h\x00h\x00", 400_000)),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, err := newUnpickler(program(pickle)).load()
		runtime.ReadMemStats(&after)
		t.Logf("%s: %v, %d MiB in all: %v", name, time.Since(start), (after.TotalAlloc-before.TotalAlloc)>>20, err)
		// All that was ever allocated, growing slices and maps included.
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<30), name)
	}
}

// Plain values of every kind that torch.save writes beside the tensors.
func TestPlainValues(t *testing.T) {
	v, err := newUnpickler(program("(N\x88\x89K\x07M\x01\x02J\xff\xff\xff\xff\x8a\x00\x8a\x01\xfe\x8a\x02\xff\x00" +
		"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01G\x3f\xf0\x00\x00\x00\x00\x00\x00X\x01\x00\x00\x00a\x8c\x01b\x8d\x01\x00\x00\x00\x00\x00\x00\x00c" +
		"U\x01dT\x01\x00\x00\x00eB\x01\x00\x00\x00xC\x01x\x8e\x01\x00\x00\x00\x00\x00\x00\x00x])t")).load()
	require.NoError(t, err)
	assert.Equal(t, &array{[]any{nil, true, false, int64(7), int64(0x201), int64(-1), int64(0), int64(-2), int64(255),
		long("\x00\x00\x00\x00\x00\x00\x00\x00\x01"), opaque{}, text("a"), text("b"), text("c"),
		text("d"), text("e"), opaque{}, opaque{}, opaque{}, &array{}, &array{}}}, v)
}

// PyTorch 0.1 to 0.3 under Python 2, as the first torchvision models: byte
// strings, an OrderedDict of a list of pairs, parameters by their class.
func TestPython2Pickle(t *testing.T) {
	bare := made(global("torch._utils", "_rebuild_tensor"), stored("FloatStorage", "0", 4, "N"), "K\x00", ints(4), ints(1))
	param := global("torch.nn.parameter", "Parameter") + bare + "\x85\x81(\x88\x89" + made(global("collections", "OrderedDict"), "]") + "tb"
	pair := func(name, value string) string { return "](U" + string(rune(len(name))) + name + value + "e" }
	c, err := openTorch(t, program(made(global("collections", "OrderedDict"), "]("+pair("conv.weight", param)+pair("bn.mean", bare)+"e")))
	require.NoError(t, err)
	assert.Equal(t, []string{"conv.weight", "bn.mean"}, c.Names())
	assert.Equal(t, []float32{0, 1, 2, 3}, float32sOf(t, c.tensors["conv.weight"]))
}

// FuzzPickle reads arbitrary files, and arbitrary pickles in a zip file.
// Whatever is accepted must be whole tensors.
func FuzzPickle(f *testing.F) {
	files, err := filepath.Glob("testdata/*.pth")
	require.NoError(f, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(data)
	}
	pickle := program(dictOf(str("a"), aTensor, str("b"), tensor(stored("FloatStorage", "0", 4), 0, ints(2, 2), ints(1, 2))))
	f.Add(pickle)
	f.Add(zipFile(f, pickle))
	f.Add(legacyFile(pickle))
	f.Add(program(made(global("collections", "OrderedDict"), "]]("+str("a")+aTensor+"ea")))
	f.Add(program(made(global("os", "system"), str("true"))))
	f.Add(program(dictOf(str("a"), aTensor, str("b"), "]q\x00h\x00a")))
	f.Add(program(dictOf(str("a"), tensor(stored("FloatStorage", "0", 4, ints(0, 1, 2)), 0, ints(1<<20), ints(0)))))
	f.Add(program(dictOf(str("model"), dictOf(str("a"), aTensor), str("ema"), global("a", "B")+")\x81}b")))
	f.Add(program(dictOf(str("module.a._orig_mod.b"), aTensor, str("n_averaged"), aTensor)))
	f.Add(program(global("a", "B") + ")" + dictOf(str("a"), "N") + "\x92(N\x90"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, file := range [][]byte{data, zipFile(t, data)} {
			c, err := OpenBytes("fuzz", file)
			if err != nil {
				checkLine(t, err)
				continue
			}
			for _, name := range c.Names() {
				x, ok := c.Tensor(name)
				if !ok || len(x.Data) != x.Len()*x.DType.Size() {
					t.Fatalf("%s: %d bytes for %v %v", name, len(x.Data), x.DType, x.Shape)
				}
				_ = CheckFinite(x)
			}
		}
	})
}
