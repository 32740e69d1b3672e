/*
 * faults is a Vulkan layer that breaks what a program asks of the driver, for controls: what
 * looks for faults must find these. The environment variable SACCADE_FAULT says which:
 *
 *   barriers     pipeline barriers are left out
 *   robustness   the device does not catch accesses outside of buffers: of a device that does, Khronos'
 *                layers take them for harmless
 *   ranges       the same, and of each storage buffer that is bound a shader may reach the first half only
 */
#include <stdlib.h>

#include "../layer.h"

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

static VKAPI_ATTR VkResult VKAPI_CALL create_fragile_device(VkPhysicalDevice gpu, const VkDeviceCreateInfo *info,
	const VkAllocationCallbacks *allocator, VkDevice *device)
{
	VkDeviceCreateInfo changed = *info;
	VkPhysicalDeviceFeatures features;
	if (info->pEnabledFeatures) {
		features = *info->pEnabledFeatures;
		features.robustBufferAccess = VK_FALSE;
		changed.pEnabledFeatures = &features;
	}
	for (VkBaseOutStructure *p = (VkBaseOutStructure *)info->pNext; p; p = p->pNext) {
		if (p->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2)
			((VkPhysicalDeviceFeatures2 *)p)->features.robustBufferAccess = VK_FALSE;
		if (p->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ROBUSTNESS_2_FEATURES_EXT)
			((VkPhysicalDeviceRobustness2FeaturesEXT *)p)->robustBufferAccess2 = VK_FALSE;
	}
	return create_device(gpu, &changed, allocator, device);
}

/* is says whether a fault is the one that is asked for. */
static int is(const char *fault)
{
	const char *asked = getenv("SACCADE_FAULT");
	return asked && strcmp(asked, fault) == 0;
}

static PFN_vkVoidFunction in_place_of(const char *name)
{
	if (is("barriers") && strcmp(name, "vkCmdPipelineBarrier") == 0)
		return (PFN_vkVoidFunction)pipeline_barrier;
	if ((is("robustness") || is("ranges")) && strcmp(name, "vkCreateDevice") == 0)
		return (PFN_vkVoidFunction)create_fragile_device;
	if (is("ranges") && strcmp(name, "vkUpdateDescriptorSets") == 0)
		return (PFN_vkVoidFunction)update_descriptor_sets;
	return NULL;
}
