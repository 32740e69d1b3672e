/*
 * faults is a Vulkan layer that breaks what a program asks of the driver, for controls: what
 * looks for faults must find these. The environment variable SACCADE_FAULT says which:
 *
 *   barriers   pipeline barriers are left out
 *   ranges     of each storage buffer that is bound a shader may reach the first half only
 */
#include <stdlib.h>
#include <string.h>

#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

/* The next in the chain: the loader's, the same for all instances and devices. */
static PFN_vkGetInstanceProcAddr next_instance_proc;
static PFN_vkGetDeviceProcAddr next_device_proc;

static VKAPI_ATTR void VKAPI_CALL pipeline_barrier(VkCommandBuffer commands, VkPipelineStageFlags from, VkPipelineStageFlags to,
	VkDependencyFlags flags, uint32_t memory_count, const VkMemoryBarrier *memory,
	uint32_t buffer_count, const VkBufferMemoryBarrier *buffers, uint32_t image_count, const VkImageMemoryBarrier *images)
{
}

static VKAPI_ATTR void VKAPI_CALL update_descriptor_sets(VkDevice device, uint32_t count, const VkWriteDescriptorSet *writes,
	uint32_t copies_count, const VkCopyDescriptorSet *copies)
{
	PFN_vkUpdateDescriptorSets next = (PFN_vkUpdateDescriptorSets)next_device_proc(device, "vkUpdateDescriptorSets");
	for (uint32_t i = 0; i < count; i++) {
		VkWriteDescriptorSet w = writes[i];
		VkDescriptorBufferInfo *halves = NULL;
		if (w.descriptorType == VK_DESCRIPTOR_TYPE_STORAGE_BUFFER) {
			halves = malloc(w.descriptorCount * sizeof *halves);
			if (!halves)
				abort();
			for (uint32_t j = 0; j < w.descriptorCount; j++) {
				halves[j] = w.pBufferInfo[j];
				if (halves[j].range != VK_WHOLE_SIZE && halves[j].range > 64)
					halves[j].range = halves[j].range / 2 & ~(VkDeviceSize)15;
			}
			w.pBufferInfo = halves;
		}
		next(device, 1, &w, 0, NULL);
		free(halves);
	}
	if (copies_count > 0)
		next(device, 0, NULL, copies_count, copies);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo *info,
	const VkAllocationCallbacks *allocator, VkInstance *instance)
{
	VkLayerInstanceCreateInfo *link = (VkLayerInstanceCreateInfo *)info->pNext;
	while (link && !(link->sType == VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO && link->function == VK_LAYER_LINK_INFO))
		link = (VkLayerInstanceCreateInfo *)link->pNext;
	if (!link)
		return VK_ERROR_INITIALIZATION_FAILED;
	next_instance_proc = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
	link->u.pLayerInfo = link->u.pLayerInfo->pNext;
	PFN_vkCreateInstance next = (PFN_vkCreateInstance)next_instance_proc(VK_NULL_HANDLE, "vkCreateInstance");
	return next(info, allocator, instance);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice gpu, const VkDeviceCreateInfo *info,
	const VkAllocationCallbacks *allocator, VkDevice *device)
{
	VkLayerDeviceCreateInfo *link = (VkLayerDeviceCreateInfo *)info->pNext;
	while (link && !(link->sType == VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO && link->function == VK_LAYER_LINK_INFO))
		link = (VkLayerDeviceCreateInfo *)link->pNext;
	if (!link)
		return VK_ERROR_INITIALIZATION_FAILED;
	PFN_vkGetInstanceProcAddr instance_proc = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
	next_device_proc = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
	link->u.pLayerInfo = link->u.pLayerInfo->pNext;
	PFN_vkCreateDevice next = (PFN_vkCreateDevice)instance_proc(VK_NULL_HANDLE, "vkCreateDevice");
	return next(gpu, info, allocator, device);
}

/* What the layer has in place of the next one's function, or NULL. */
static PFN_vkVoidFunction broken(const char *name)
{
	const char *fault = getenv("SACCADE_FAULT");
	if (fault && strcmp(fault, "barriers") == 0 && strcmp(name, "vkCmdPipelineBarrier") == 0)
		return (PFN_vkVoidFunction)pipeline_barrier;
	if (fault && strcmp(fault, "ranges") == 0 && strcmp(name, "vkUpdateDescriptorSets") == 0)
		return (PFN_vkVoidFunction)update_descriptor_sets;
	return NULL;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL device_proc(VkDevice device, const char *name)
{
	if (strcmp(name, "vkGetDeviceProcAddr") == 0)
		return (PFN_vkVoidFunction)device_proc;
	PFN_vkVoidFunction own = broken(name);
	return own ? own : next_device_proc(device, name);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL instance_proc(VkInstance instance, const char *name)
{
	if (strcmp(name, "vkGetInstanceProcAddr") == 0)
		return (PFN_vkVoidFunction)instance_proc;
	if (strcmp(name, "vkCreateInstance") == 0)
		return (PFN_vkVoidFunction)create_instance;
	if (strcmp(name, "vkCreateDevice") == 0)
		return (PFN_vkVoidFunction)create_device;
	if (strcmp(name, "vkGetDeviceProcAddr") == 0)
		return (PFN_vkVoidFunction)device_proc;
	PFN_vkVoidFunction own = broken(name);
	return own ? own : next_instance_proc(instance, name);
}

VK_LAYER_EXPORT VKAPI_ATTR VkResult VKAPI_CALL vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *v)
{
	v->loaderLayerInterfaceVersion = 2;
	v->pfnGetInstanceProcAddr = instance_proc;
	v->pfnGetDeviceProcAddr = device_proc;
	v->pfnGetPhysicalDeviceProcAddr = NULL;
	return VK_SUCCESS;
}
