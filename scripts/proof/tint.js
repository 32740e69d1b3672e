// Tint, Chromium's compiler, judges WGSL files by the npm package webgpu: a line of JSON for each
// that has messages, and a last one that counts.
//
//   node scripts/proof/tint.js FOLDER_OF_NODE_MODULES FILE.wgsl...
const fs = require('fs')
const path = require('path')

// What the package collects while it is in use, it crashes of.
const kept = []

async function main([modules, ...files]) {
	const { create, globals } = require(path.resolve(modules, 'webgpu'))
	Object.assign(globalThis, globals)
	const gpu = create(['backend=null'])
	const adapter = await gpu.requestAdapter()
	const device = await adapter.requestDevice({ requiredFeatures: ['shader-f16', 'subgroups'] })
	kept.push(gpu, adapter, device)
	for (const file of files) {
		device.pushErrorScope('validation') // which would print what the messages say
		const module = device.createShaderModule({ code: fs.readFileSync(file, 'utf8') })
		kept.push(module)
		const info = await module.getCompilationInfo()
		await device.popErrorScope()
		const messages = [...info.messages].map((m) => `${m.type} ${m.lineNum}:${m.linePos}: ${m.message}`)
		if (messages.length > 0) console.log(JSON.stringify({ file: path.basename(file), messages }))
	}
	console.log(JSON.stringify({ checked: files.length }))
	process.exit(0)
}

main(process.argv.slice(2)).catch((e) => {
	console.error(String(e))
	process.exit(1)
})
