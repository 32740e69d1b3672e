package scale

import (
	"archive/tar"
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/internal/venv"
)

// The packages of Python's that the tests are of.
var packages = []string{"ray==2.60.0", "pyarrow==26.0.1", "lancedb==0.40.0", "faiss-cpu==1.15.1", "numpy==2.4.6", "kubernetes-validate==1.37.0"}

// python is a Python with those packages: that of SACCADE_PYTHON, or one in an environment of
// the tests' own.
func python(t *testing.T) string {
	t.Helper()
	if os.Getenv("SACCADE_TEST_SCALE") == "" {
		t.Skip("SACCADE_TEST_SCALE is not set: make test-all sets it")
	}
	if program := os.Getenv("SACCADE_PYTHON"); program != "" {
		if out, err := exec.Command(program, "-c", "import ray, pyarrow, lancedb, faiss, kubernetes_validate").CombinedOutput(); err != nil {
			t.Skipf("%s has not all of %s: %s", program, strings.Join(packages, ", "), out)
		}
		return program
	}
	return venv.Python(t, "test-scale", packages...)
}

// run builds the worker.
func run(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "run")
	out, err := exec.Command("go", "build", "-tags", "headless", "-o", bin, "../cmd/run").CombinedOutput()
	require.NoError(t, err, string(out))
	return bin
}

// output runs a program.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	require.NoErrorf(t, err, "%s %s: %s", name, strings.Join(args, " "), out)
	return string(out)
}

// picture is number i: a PNG like no other.
func picture(t *testing.T, i int) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 40+i%7, 36+i%5))
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			m.SetNRGBA(x, y, color.NRGBA{uint8(x*(1+i%11) + i), uint8(y*(1+i%13) + 3*i), uint8(x*y + 7*i), 255})
		}
	}
	var out bytes.Buffer
	require.NoError(t, png.Encode(&out, m))
	return out.Bytes()
}

// shards are so many of so many pictures: folders, tars and Parquet files in turn; all of
// their pictures lie in one folder too.
func shards(t *testing.T, dir string, count, each int) (all string, parts []string) {
	t.Helper()
	all = filepath.Join(dir, "all")
	require.NoError(t, os.Mkdir(all, 0o755))
	for s := range count {
		part := filepath.Join(dir, fmt.Sprintf("%03d", s))
		var packed bytes.Buffer
		archive := tar.NewWriter(&packed)
		type row struct {
			Key string `parquet:"__key__"`
			PNG []byte `parquet:"png"`
		}
		var rows []row
		for k := range each {
			i := s*each + k
			data, name := picture(t, i), fmt.Sprintf("%05d.png", i)
			require.NoError(t, os.WriteFile(filepath.Join(all, name), data, 0o600))
			rows = append(rows, row{fmt.Sprintf("%05d", i), data})
			require.NoError(t, archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data))}))
			_, err := archive.Write(data)
			require.NoError(t, err)
			if s%3 == 0 {
				require.NoError(t, os.MkdirAll(part, 0o755))
				require.NoError(t, os.WriteFile(filepath.Join(part, name), data, 0o600))
			}
		}
		require.NoError(t, archive.Close())
		switch s % 3 {
		case 1:
			part += ".tar"
			require.NoError(t, os.WriteFile(part, packed.Bytes(), 0o600))
		case 2:
			part += ".pq"
			require.NoError(t, parquet.WriteFile(part, rows))
		}
		parts = append(parts, part)
	}
	return all, parts
}

// vectors are the rows of files by their keys.
func vectors(t *testing.T, files ...string) (rows int, by map[string]string) {
	t.Helper()
	by = map[string]string{}
	for _, file := range files {
		all, err := parquet.ReadFile[struct {
			Key    string    `parquet:"key"`
			Vector [][2]byte `parquet:"vector,optional,list"`
			Error  *string   `parquet:"error,optional"`
		}](file)
		require.NoError(t, err)
		for _, r := range all {
			require.Nil(t, r.Error)
			require.Len(t, r.Vector, 128)
			by[r.Key] = fmt.Sprint(r.Vector)
			rows++
		}
	}
	return rows, by
}

// Two nodes of Ray, of which one dies in the middle, and a worker of the other: nothing is
// missing, nothing is there twice, and all vectors are those of one run to the bit. A second
// run makes nothing.
func TestRay(t *testing.T) {
	python, bin, dir := python(t), run(t), t.TempDir()
	all, parts := shards(t, dir, 20, 20)
	out := filepath.Join(dir, "out")
	driver := append([]string{"ray_driver.py", "-out", out}, parts...)
	worker := []string{"--", bin, "embed"}
	said := output(t, python, append(append([]string{"break.py", out, python}, driver...), worker...)...)
	t.Log(said)
	assert.Contains(t, said, "0 shards done, 20 started")
	assert.Contains(t, said, "killed a node after")
	assert.Contains(t, said, "killed a worker after")
	entries, err := os.ReadDir(out)
	require.NoError(t, err)
	var files []string
	var stamps []time.Time
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".parquet") { // a worker that is killed may leave a file beside
			info, err := e.Info()
			require.NoError(t, err)
			files, stamps = append(files, filepath.Join(out, e.Name())), append(stamps, info.ModTime())
		}
	}
	require.Len(t, files, 20)
	rows, got := vectors(t, files...)
	assert.Equal(t, 400, rows)
	assert.Len(t, got, 400)
	single := filepath.Join(dir, "single.parquet")
	output(t, bin, "embed", "-in", all, "-out", single)
	_, want := vectors(t, single)
	assert.Equal(t, want, got)

	t.Setenv("RAY_ADDRESS", "local")
	said = output(t, python, append(driver, worker...)...)
	assert.Contains(t, said, "20 shards done, 0 started")
	for i, file := range files {
		info, err := os.Stat(file)
		require.NoError(t, err)
		assert.Equal(t, stamps[i], info.ModTime())
	}
	cmd := exec.Command(python, append(driver, "--", bin, "embed", "-precision", "f32")...)
	refused, err := cmd.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(refused), "not by clip (zoo/clip), f32; give another -out")
}

// What Slurm runs for each task takes its line of the list.
func TestSlurmScript(t *testing.T) {
	python(t)
	bin, dir := run(t), t.TempDir()
	_, parts := shards(t, dir, 2, 3)
	list := filepath.Join(dir, "shards.txt")
	require.NoError(t, os.WriteFile(list, []byte(strings.Join(parts, "\n")+"\n"), 0o600))
	t.Setenv("SLURM_ARRAY_TASK_ID", "1")
	said := output(t, "./slurm.sh", list, filepath.Join(dir, "out"), bin, "embed")
	assert.Contains(t, said, "001.tar.parquet: 3 pictures, 0 with errors")
	rows, _ := vectors(t, filepath.Join(dir, "out", "001.tar.parquet"))
	assert.Equal(t, 3, rows)
	t.Setenv("SLURM_ARRAY_TASK_ID", "2")
	out, err := exec.Command("./slurm.sh", list, filepath.Join(dir, "out"), bin, "embed").CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "has no line 3")
}

// The Job is what Kubernetes' schema says, with its command's own syntax.
func TestKubernetesSchema(t *testing.T) {
	output(t, python(t), "-c", `
import kubernetes_validate, yaml, subprocess
job = yaml.safe_load(open("kubernetes.yaml"))
kubernetes_validate.validate(job, "1.37", strict=True)
subprocess.run(["sh", "-n", "-c", job["spec"]["template"]["spec"]["containers"][0]["command"][2]], check=True)
`)
}

// LanceDB and, through pyarrow, FAISS read what the worker writes: vectors of a fixed size,
// rows with errors left out, and their approximate neighbours are the exact ones.
func TestVectorStores(t *testing.T) {
	python, bin, dir := python(t), run(t), t.TempDir()
	in := os.Getenv("SACCADE_TEST_PICTURES")
	if in == "" {
		in, _ = shards(t, dir, 20, 20)
		require.NoError(t, os.WriteFile(filepath.Join(in, "bad.png"), []byte("no picture"), 0o600))
	}
	for _, precision := range []string{"f16", "f32"} {
		out := filepath.Join(dir, precision+".parquet")
		output(t, bin, "embed", "-in", in, "-out", out, "-precision", precision)
		t.Log(output(t, python, "stores.py", out, filepath.Join(dir, "lance-"+precision)))
	}
}
