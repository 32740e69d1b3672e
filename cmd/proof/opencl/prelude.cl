// What naga's GLSL needs of GLSL, in OpenCL C. Constructors and functions that are also names of
// types or of OpenCL's are macros with parameters, so that the types keep their names.
typedef float2 vec2; typedef float3 vec3; typedef float4 vec4;
typedef uint2 uvec2; typedef uint3 uvec3; typedef uint4 uvec4;
typedef int2 ivec2; typedef int3 ivec3; typedef int4 ivec4;
typedef int2 bvec2; typedef int3 bvec3; typedef int4 bvec4; // all bits of what is true

#define OV __attribute__((overloadable))

#define SCALARS(T, F) \
	T OV new_##T(float x) { return (T)x; } \
	T OV new_##T(int x) { return (T)x; } \
	T OV new_##T(uint x) { return (T)x; }
SCALARS(float, ) SCALARS(int, ) SCALARS(uint, )

#define VECTORS(N, S) \
	N##2 OV new_##N##2(S a) { return (N##2)(a); } \
	N##2 OV new_##N##2(S a, S b) { return (N##2)(a, b); } \
	N##2 OV new_##N##2(float2 a) { return convert_##N##2(a); } \
	N##2 OV new_##N##2(uint2 a) { return convert_##N##2(a); } \
	N##2 OV new_##N##2(int2 a) { return convert_##N##2(a); } \
	N##3 OV new_##N##3(S a) { return (N##3)(a); } \
	N##3 OV new_##N##3(S a, S b, S c) { return (N##3)(a, b, c); } \
	N##3 OV new_##N##3(N##2 a, S b) { return (N##3)(a, b); } \
	N##3 OV new_##N##3(float3 a) { return convert_##N##3(a); } \
	N##3 OV new_##N##3(uint3 a) { return convert_##N##3(a); } \
	N##3 OV new_##N##3(int3 a) { return convert_##N##3(a); } \
	N##4 OV new_##N##4(S a) { return (N##4)(a); } \
	N##4 OV new_##N##4(S a, S b, S c, S d) { return (N##4)(a, b, c, d); } \
	N##4 OV new_##N##4(N##2 a, N##2 b) { return (N##4)(a, b); } \
	N##4 OV new_##N##4(N##3 a, S b) { return (N##4)(a, b); } \
	N##4 OV new_##N##4(S a, N##3 b) { return (N##4)(a, b); } \
	N##4 OV new_##N##4(N##2 a, S b, S c) { return (N##4)(a, b, c); } \
	N##4 OV new_##N##4(float4 a) { return convert_##N##4(a); } \
	N##4 OV new_##N##4(uint4 a) { return convert_##N##4(a); } \
	N##4 OV new_##N##4(int4 a) { return convert_##N##4(a); }
VECTORS(float, float) VECTORS(uint, uint) VECTORS(int, int)

int2 OV new_bool2(int a) { return (int2)(a ? -1 : 0); }
int2 OV new_bool2(int a, int b) { return (int2)(a ? -1 : 0, b ? -1 : 0); }
int3 OV new_bool3(int a) { return (int3)(a ? -1 : 0); }
int4 OV new_bool4(int a) { return (int4)(a ? -1 : 0); }
int4 OV new_bool4(int a, int b, int c, int d) { return (int4)(a ? -1 : 0, b ? -1 : 0, c ? -1 : 0, d ? -1 : 0); }

#define COMPARE(T, I) \
	I OV lessThan(T a, T b) { return a < b; } \
	I OV lessThanEqual(T a, T b) { return a <= b; } \
	I OV greaterThan(T a, T b) { return a > b; } \
	I OV greaterThanEqual(T a, T b) { return a >= b; } \
	I OV equal(T a, T b) { return a == b; } \
	I OV notEqual(T a, T b) { return a != b; }
COMPARE(float2, int2) COMPARE(float3, int3) COMPARE(float4, int4)
COMPARE(uint2, int2) COMPARE(uint3, int3) COMPARE(uint4, int4)
COMPARE(int2, int2) COMPARE(int3, int3) COMPARE(int4, int4)

#define FLOATS(X) X(float) X(float2) X(float3) X(float4)
#define MIX(T) T OV mix_(T a, T b, T x) { return mix(a, b, x); }
FLOATS(MIX)
#define CHOOSE(T, I) T OV mix_(T a, T b, I c) { return select(a, b, c); }
CHOOSE(float2, int2) CHOOSE(float3, int3) CHOOSE(float4, int4)
CHOOSE(uint2, int2) CHOOSE(uint3, int3) CHOOSE(uint4, int4)
CHOOSE(int2, int2) CHOOSE(int3, int3) CHOOSE(int4, int4)
#define ABS(T) T OV abs_(T x) { return fabs(x); }
FLOATS(ABS)
int OV abs_(int x) { return x < 0 ? -x : x; }
int4 OV abs_(int4 x) { return select(x, -x, x < 0); }
#define FRACTION(T) T OV fract_(T x) { return x - floor(x); }
FLOATS(FRACTION)
#define REST(T) T OV mod_(T x, T y) { return x - y * floor(x / y); }
FLOATS(REST)

#define BITS(F, U, I) \
	U OV floatBitsToUint(F x) { return as_##U(x); } \
	I OV floatBitsToInt(F x) { return as_##I(x); } \
	F OV uintBitsToFloat(U x) { return as_##F(x); } \
	F OV intBitsToFloat(I x) { return as_##F(x); }
BITS(float, uint, int) BITS(float2, uint2, int2) BITS(float3, uint3, int3) BITS(float4, uint4, int4)

float2 unpackHalf2x16(uint x)
{
	ushort2 u = as_ushort2(x);
	return (float2)(vload_half(0, (const half *)&u), vload_half(1, (const half *)&u));
}

uint packHalf2x16(float2 v)
{
	ushort2 u;
	vstore_half(v.x, 0, (half *)&u);
	vstore_half(v.y, 1, (half *)&u);
	return as_uint(u);
}

#define bitCount(x) popcount(x)
#define findMSB(x) (31 - (int)clz(x))

#define vec2(...) new_float2(__VA_ARGS__)
#define vec3(...) new_float3(__VA_ARGS__)
#define vec4(...) new_float4(__VA_ARGS__)
#define uvec2(...) new_uint2(__VA_ARGS__)
#define uvec3(...) new_uint3(__VA_ARGS__)
#define uvec4(...) new_uint4(__VA_ARGS__)
#define ivec2(...) new_int2(__VA_ARGS__)
#define ivec3(...) new_int3(__VA_ARGS__)
#define ivec4(...) new_int4(__VA_ARGS__)
#define bvec2(...) new_bool2(__VA_ARGS__)
#define bvec3(...) new_bool3(__VA_ARGS__)
#define bvec4(...) new_bool4(__VA_ARGS__)
#define float(x) new_float(x)
#define int(x) new_int(x)
#define uint(x) new_uint(x)
#define bool(x) ((x) != 0)
#define mix(...) mix_(__VA_ARGS__)
#define abs(x) abs_(x)
#define fract(x) fract_(x)
#define mod(x, y) mod_(x, y)
#define inversesqrt(x) rsqrt(x)
#define roundEven(x) rint(x)
#define not(x) (~(x))

#define barrier() barrier(CLK_LOCAL_MEM_FENCE)
#define memoryBarrierShared()
#define memoryBarrierBuffer()

// Names that OpenCL keeps for itself, as variables and functions of a kernel.
#define constant constant_
#define event_t event_t_
#define generic generic_
#define global global_
#define half half_
#define kernel kernel_
#define local local_
#define pipe pipe_
#define private private_
#define queue_t queue_t_
#define read_only read_only_
#define read_write read_write_
#define restrict restrict_
#define write_only write_only_
