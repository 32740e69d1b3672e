/*
 * radv compiles compute shaders for a GPU that is not there and prints what the
 * compiler says of them. It takes pairs of arguments, a SPIR-V file whose entry
 * point is "main" and its bindings in set 0, one letter each from binding 0 on:
 * u a uniform buffer, s a storage buffer. It prints lines of tab-separated words:
 *
 *	device	NAME	DRIVER          once, at first
 *	kernel	FILE            for each pair
 *	statistic	NAME	VALUE   for each of VK_KHR_pipeline_executable_properties
 *	ir                      then the compiler's own code
 *	end                     in a line of its own
 *
 * RADV_FORCE_FAMILY names the GPU; Mesa's RADV then has a null device.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vulkan/vulkan.h>

enum { MOST_BINDINGS = 32, MOST_STATISTICS = 64, MOST_TEXTS = 8 };

static VkDevice device;
static PFN_vkGetPipelineExecutableStatisticsKHR statistics_of;
static PFN_vkGetPipelineExecutableInternalRepresentationsKHR texts_of;

/* check ends the program if a call did not succeed. */
static void check(VkResult result, const char *what)
{
	if (result != VK_SUCCESS) {
		fprintf(stderr, "radv: %s failed with VkResult %d\n", what, result);
		exit(1);
	}
}

static void open_device(void)
{
	VkApplicationInfo app = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_2};
	VkInstanceCreateInfo ici = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &app};
	VkInstance instance;
	check(vkCreateInstance(&ici, NULL, &instance), "vkCreateInstance");

	uint32_t count = 1;
	VkPhysicalDevice gpu;
	VkResult listed = vkEnumeratePhysicalDevices(instance, &count, &gpu);
	if (listed != VK_INCOMPLETE)
		check(listed, "vkEnumeratePhysicalDevices");
	if (count == 0) {
		fprintf(stderr, "radv: no device; does this Mesa know RADV_FORCE_FAMILY=%s?\n", getenv("RADV_FORCE_FAMILY"));
		exit(3);
	}
	VkPhysicalDeviceDriverProperties driver = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
	VkPhysicalDeviceProperties2 properties = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &driver};
	vkGetPhysicalDeviceProperties2(gpu, &properties);
	printf("device\t%s\t%s\n", properties.properties.deviceName, driver.driverInfo);

	const char *extension = VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
	VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR feature = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
		.pipelineExecutableInfo = VK_TRUE,
	};
	float priority = 1;
	VkDeviceQueueCreateInfo queue = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, .queueCount = 1, .pQueuePriorities = &priority,
	};
	/* Storage buffers are checked by the hardware, as wgpu asks for. */
	VkPhysicalDeviceFeatures features = {.robustBufferAccess = VK_TRUE};
	VkDeviceCreateInfo dci = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, .pNext = &feature,
		.queueCreateInfoCount = 1, .pQueueCreateInfos = &queue,
		.enabledExtensionCount = 1, .ppEnabledExtensionNames = &extension, .pEnabledFeatures = &features,
	};
	check(vkCreateDevice(gpu, &dci, NULL, &device), "vkCreateDevice");
	statistics_of = (PFN_vkGetPipelineExecutableStatisticsKHR)vkGetDeviceProcAddr(device, "vkGetPipelineExecutableStatisticsKHR");
	texts_of = (PFN_vkGetPipelineExecutableInternalRepresentationsKHR)vkGetDeviceProcAddr(device, "vkGetPipelineExecutableInternalRepresentationsKHR");
}

static VkShaderModule read_module(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		exit(1);
	}
	fseek(f, 0, SEEK_END);
	size_t size = (size_t)ftell(f);
	rewind(f);
	uint32_t *code = malloc(size);
	if (!code || fread(code, 1, size, f) != size) {
		fprintf(stderr, "radv: reading %s failed\n", path);
		exit(1);
	}
	fclose(f);
	VkShaderModuleCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = size, .pCode = code};
	VkShaderModule module;
	check(vkCreateShaderModule(device, &info, NULL, &module), path);
	free(code);
	return module;
}

static VkPipelineLayout make_layout(const char *letters)
{
	VkDescriptorSetLayoutBinding bindings[MOST_BINDINGS];
	uint32_t count = (uint32_t)strlen(letters);
	if (count > MOST_BINDINGS) {
		fprintf(stderr, "radv: %u bindings are too many\n", count);
		exit(1);
	}
	for (uint32_t i = 0; i < count; i++)
		bindings[i] = (VkDescriptorSetLayoutBinding){
			.binding = i, .descriptorCount = 1, .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
			.descriptorType = letters[i] == 'u' ? VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
		};
	VkDescriptorSetLayoutCreateInfo sci = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .bindingCount = count, .pBindings = bindings,
	};
	VkDescriptorSetLayout set;
	check(vkCreateDescriptorSetLayout(device, &sci, NULL, &set), "vkCreateDescriptorSetLayout");
	VkPipelineLayoutCreateInfo lci = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO, .setLayoutCount = 1, .pSetLayouts = &set};
	VkPipelineLayout layout;
	check(vkCreatePipelineLayout(device, &lci, NULL, &layout), "vkCreatePipelineLayout");
	return layout;
}

static void print_statistics(VkPipeline pipeline)
{
	VkPipelineExecutableInfoKHR info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, .pipeline = pipeline};
	VkPipelineExecutableStatisticKHR s[MOST_STATISTICS];
	for (int i = 0; i < MOST_STATISTICS; i++)
		s[i] = (VkPipelineExecutableStatisticKHR){.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR};
	uint32_t count = MOST_STATISTICS;
	check(statistics_of(device, &info, &count, s), "vkGetPipelineExecutableStatisticsKHR");
	for (uint32_t i = 0; i < count; i++)
		if (s[i].format == VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR)
			printf("statistic\t%s\t%llu\n", s[i].name, (unsigned long long)s[i].value.u64);
}

/* print_ir prints the representation that RADV calls ACO IR. */
static void print_ir(VkPipeline pipeline)
{
	VkPipelineExecutableInfoKHR info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, .pipeline = pipeline};
	VkPipelineExecutableInternalRepresentationKHR t[MOST_TEXTS];
	for (int i = 0; i < MOST_TEXTS; i++)
		t[i] = (VkPipelineExecutableInternalRepresentationKHR){.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR};
	uint32_t count = MOST_TEXTS;
	check(texts_of(device, &info, &count, t), "vkGetPipelineExecutableInternalRepresentationsKHR");
	for (uint32_t i = 0; i < count; i++)
		if (!(t[i].pData = malloc(t[i].dataSize + 1)))
			exit(1);
	check(texts_of(device, &info, &count, t), "vkGetPipelineExecutableInternalRepresentationsKHR");
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(t[i].name, "ACO IR") == 0)
			printf("ir\n%.*s\n", (int)t[i].dataSize, (char *)t[i].pData);
		free(t[i].pData);
	}
}

int main(int argc, char **argv)
{
	open_device();
	for (int i = 1; i + 1 < argc; i += 2) {
		printf("kernel\t%s\n", argv[i]);
		fflush(stdout); /* should the compiler crash, this tells on what */
		VkComputePipelineCreateInfo info = {
			.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
			.flags = VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR | VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR,
			.layout = make_layout(argv[i + 1]),
			.stage = {
				.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO, .stage = VK_SHADER_STAGE_COMPUTE_BIT,
				.module = read_module(argv[i]), .pName = "main",
			},
		};
		VkPipeline pipeline;
		check(vkCreateComputePipelines(device, VK_NULL_HANDLE, 1, &info, NULL, &pipeline), argv[i]);
		print_statistics(pipeline);
		print_ir(pipeline);
		vkDestroyPipeline(device, pipeline, NULL);
		printf("end\n");
	}
	return 0;
}
