/*
 * Microsoft's compilers of HLSL, for compute shaders with an entry main: prints a line for each file,
 * its name, the seconds of processor time that it took, and "ok" or the error. The compilers' libraries,
 * d3dcompiler_47.dll and dxcompiler.dll, lie beside the program.
 *
 *   hlsl.exe fxc|dxc FILE.hlsl...
 */
#define COBJMACROS
#include <windows.h>
#include <d3dcommon.h>
#include <stdio.h>
#include <stdlib.h>

typedef HRESULT(WINAPI *compile_fxc)(const void *, SIZE_T, const char *, const void *, void *, const char *, const char *, UINT, UINT, ID3D10Blob **, ID3D10Blob **);
typedef HRESULT(WINAPI *create_dxc)(const GUID *, const GUID *, void **);

static const GUID compiler_class = {0x73e22d93, 0xe6ce, 0x47f3, {0xb5, 0xbf, 0xf0, 0x66, 0x4f, 0x39, 0xc1, 0xb0}};
static const GUID compiler3 = {0x228b4687, 0x5a6a, 0x4730, {0x90, 0x0c, 0x97, 0x02, 0xb2, 0x20, 0x3f, 0x54}};
static const GUID result_id = {0x58346cda, 0xdde7, 0x4497, {0x94, 0x61, 0x6f, 0x87, 0xaf, 0x5e, 0x06, 0x59}};

typedef struct {
	const void *data;
	SIZE_T size;
	UINT encoding;
} text;

/* IDxcCompiler3 and IDxcResult, as far as they are called. */
typedef struct dxc {
	struct {
		void *unknown[3];
		HRESULT(WINAPI *Compile)(struct dxc *, const text *, const WCHAR **, UINT32, void *, const GUID *, void **);
	} *of;
} dxc;
typedef struct result {
	struct {
		void *unknown[2];
		ULONG(WINAPI *Release)(struct result *);
		HRESULT(WINAPI *GetStatus)(struct result *, HRESULT *);
		HRESULT(WINAPI *GetResult)(struct result *, ID3D10Blob **);
		HRESULT(WINAPI *GetErrorBuffer)(struct result *, ID3D10Blob **);
	} *of;
} result;

static void *need(const char *library, const char *function)
{
	HMODULE m = LoadLibraryA(library);
	void *f = m ? (void *)GetProcAddress(m, function) : NULL;
	if (!f) {
		fprintf(stderr, "hlsl: %s with %s is missing beside the program\n", library, function);
		exit(1);
	}
	return f;
}

static char *read(const char *path, SIZE_T *size)
{
	FILE *f = fopen(path, "rb");
	if (!f) {
		fprintf(stderr, "hlsl: %s can't be read\n", path);
		exit(1);
	}
	fseek(f, 0, SEEK_END);
	*size = ftell(f);
	rewind(f);
	char *data = malloc(*size + 1);
	*size = fread(data, 1, *size, f);
	fclose(f);
	return data;
}

static double seconds(void)
{
	FILETIME began, ended, kernel, user;
	GetProcessTimes(GetCurrentProcess(), &began, &ended, &kernel, &user);
	return (((double)kernel.dwHighDateTime + user.dwHighDateTime) * 4294967296.0 + kernel.dwLowDateTime + user.dwLowDateTime) / 1e7;
}

static HRESULT by_dxc(dxc *compiler, const char *data, SIZE_T size, ID3D10Blob **errors)
{
	const WCHAR *args[] = {L"-E", L"main", L"-T", L"cs_6_2", L"-enable-16bit-types", L"-HV", L"2018", L"-Vd"};
	text t = {data, size, CP_UTF8};
	result *r = NULL;
	HRESULT code = compiler->of->Compile(compiler, &t, args, 7, NULL, &result_id, (void **)&r);
	if (FAILED(code)) return code;
	r->of->GetStatus(r, &code);
	if (FAILED(code)) r->of->GetErrorBuffer(r, errors);
	r->of->Release(r);
	return code;
}

int main(int n, char **argv)
{
	if (n < 3 || (strcmp(argv[1], "fxc") && strcmp(argv[1], "dxc"))) {
		fprintf(stderr, "usage: hlsl fxc|dxc FILE...\n");
		return 2;
	}
	compile_fxc fxc = NULL;
	dxc *compiler = NULL;
	if (!strcmp(argv[1], "fxc")) {
		fxc = (compile_fxc)need("d3dcompiler_47.dll", "D3DCompile");
	} else if (FAILED(((create_dxc)need("dxcompiler.dll", "DxcCreateInstance"))(&compiler_class, &compiler3, (void **)&compiler))) {
		fprintf(stderr, "hlsl: dxcompiler.dll makes no compiler\n");
		return 1;
	}
	for (int i = 2; i < n; i++) {
		SIZE_T size;
		char *data = read(argv[i], &size);
		ID3D10Blob *code = NULL, *errors = NULL;
		double from = seconds();
		HRESULT status = fxc ? fxc(data, size, argv[i], NULL, NULL, "main", "cs_5_1", 0, 0, &code, &errors) : by_dxc(compiler, data, size, &errors);
		printf("%s\t%.2f\t", argv[i], seconds() - from);
		if (SUCCEEDED(status)) {
			printf("ok\n");
		} else {
			char *p = errors ? ID3D10Blob_GetBufferPointer(errors) : "";
			int length = errors ? (int)ID3D10Blob_GetBufferSize(errors) : 0;
			for (int k = 0; k < length && p[k]; k++) putchar(p[k] == '\n' || p[k] == '\r' || p[k] == '\t' ? ' ' : p[k]);
			printf("(0x%08lx)\n", (unsigned long)status);
		}
		fflush(stdout);
		free(data);
	}
	return 0;
}
