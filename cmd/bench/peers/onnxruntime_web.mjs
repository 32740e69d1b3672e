// Runs a model in onnxruntime-web on WebGPU (Dawn for Node), for onnxruntime_web.py.
//
//     node onnxruntime_web.mjs FOLDER '[[1,3,224,224]]'
//
// The folder has model.onnx and input0.f32 …, of these dimensions.
// The packages onnxruntime-web and webgpu are those of the working directory. First
// it answers {"adapter", "version"}; then each line of its input with {"ms", "y"} of
// one pass on the inputs, from the upload to the read-back, the output in base64.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, dims] = process.argv.slice(2);
const require = createRequire(`${process.cwd()}/`);
const place = (name) => pathToFileURL(require.resolve(name));

const { create, globals } = await import(place("webgpu"));
Object.assign(globalThis, globals);
const gpu = create([]);
Object.defineProperty(globalThis, "navigator", { value: { gpu, hardwareConcurrency: 1, userAgent: "node" }, configurable: true });

// Dawn for Node takes no views of shared memory, which the WebAssembly heap may be.
const write = GPUQueue.prototype.writeBuffer;
GPUQueue.prototype.writeBuffer = function (buffer, at, data, offset = 0, size = undefined) {
  const bytes = ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset + offset * data.BYTES_PER_ELEMENT, size === undefined ? data.byteLength - offset * data.BYTES_PER_ELEMENT : size * data.BYTES_PER_ELEMENT)
    : new Uint8Array(data, offset, size ?? data.byteLength - offset);
  return write.call(this, buffer, at, Uint8Array.from(bytes));
};

const adapter = await gpu.requestAdapter();
if (!adapter) throw new Error("WebGPU shows no adapter; on Mesa Dawn needs 23 or newer");
// What require finds is the build for scripts; the one for modules lies beside it.
const ort = await import(new URL("ort.webgpu.bundle.min.mjs", place("onnxruntime-web/webgpu")));
ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";
const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(`${folder}/model.onnx`)), { executionProviders: ["webgpu"] });
// A copy of what is read begins where floats may.
const floats = (file) => new Float32Array(new Uint8Array(readFileSync(file)).buffer);
const inputs = JSON.parse(dims).map((shape, i) => [session.inputNames[i], floats(`${folder}/input${i}.f32`), shape]);

const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
say({ adapter: `${adapter.info.description || adapter.info.device || adapter.info.vendor}, WebGPU`, version: ort.env.versions.common });
for await (const _ of createInterface({ input: process.stdin })) {
  const began = performance.now();
  const out = await session.run(Object.fromEntries(inputs.map(([name, x, shape]) => [name, new ort.Tensor("float32", x, shape)])));
  const y = await out[session.outputNames[0]].getData();
  say({ ms: performance.now() - began, y: Buffer.from(y.buffer, y.byteOffset, y.byteLength).toString("base64") });
}
process.exit(0);
