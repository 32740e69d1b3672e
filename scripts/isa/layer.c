/*
 * layer is a Vulkan layer that keeps the SPIR-V of the shader module that was
 * created last in the file that the environment variable ISA_SPIRV names: what a
 * program, or the library it goes through, really gives to the driver. A file
 * that can't be written is not there afterwards, by which the reader knows.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../layer.h"

static VKAPI_ATTR VkResult VKAPI_CALL create_shader_module(VkDevice device, const VkShaderModuleCreateInfo *info,
	const VkAllocationCallbacks *allocator, VkShaderModule *module)
{
	const char *path = getenv("ISA_SPIRV");
	FILE *f = path ? fopen(path, "wb") : NULL;
	if (f) {
		size_t written = fwrite(info->pCode, 1, info->codeSize, f);
		if (fclose(f) != 0 || written != info->codeSize)
			remove(path);
	}
	PFN_vkCreateShaderModule next = (PFN_vkCreateShaderModule)next_device_proc(device, "vkCreateShaderModule");
	return next(device, info, allocator, module);
}

static PFN_vkVoidFunction in_place_of(const char *name)
{
	return strcmp(name, "vkCreateShaderModule") == 0 ? (PFN_vkVoidFunction)create_shader_module : NULL;
}
