// Tint, Chromium's compiler, judges WGSL files by the npm package webgpu: a line of JSON for each
// that has messages, and a last one that counts.
//
//   node scripts/proof/tint.js FOLDER_OF_NODE_MODULES FILE.wgsl...
const fs = require('fs')
const path = require('path')

async function main([modules, ...files]) {
	const { create, globals } = require(path.resolve(modules, 'webgpu'))
	Object.assign(globalThis, globals)
	const adapter = await create(['backend=null']).requestAdapter()
	const device = await adapter.requestDevice({ requiredLimits: limits(adapter.limits) })
	for (const file of files) {
		device.pushErrorScope('validation')
		const module = device.createShaderModule({ code: fs.readFileSync(file, 'utf8') })
		const info = await module.getCompilationInfo()
		const error = await device.popErrorScope()
		const messages = [...info.messages].map((m) => `${m.type} ${m.lineNum}:${m.linePos}: ${m.message}`)
		if (error && messages.length === 0) messages.push(error.message)
		if (messages.length > 0) console.log(JSON.stringify({ file: path.basename(file), messages }))
	}
	console.log(JSON.stringify({ checked: files.length }))
	process.exit(0)
}

function limits(of) {
	return {
		maxComputeWorkgroupStorageSize: of.maxComputeWorkgroupStorageSize,
		maxComputeInvocationsPerWorkgroup: of.maxComputeInvocationsPerWorkgroup,
		maxStorageBuffersPerShaderStage: of.maxStorageBuffersPerShaderStage,
	}
}

main(process.argv.slice(2)).catch((e) => {
	console.error(String(e))
	process.exit(1)
})
