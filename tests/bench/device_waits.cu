// What waiting costs between blocks of a GPU, and how fast they read: the floor under the persistent latent loop.
//
//   nvcc -std=c++17 -O3 -arch=sm_90 -o device_waits tests/bench/device_waits.cu && ./device_waits
//
// One block of 256 threads a multiprocessor, launched together. Of five runs behind an untimed one the fastest.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

constexpr int kThreads = 256;
constexpr int kMost = 12;  // numbers that a thread waits for

void require(cudaError_t error, int line) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "device_waits.cu:%d: %s\n", line, cudaGetErrorString(error));
  std::exit(1);
}
#define REQUIRE(call) require(call, __LINE__)

__device__ void arrive_and_wait(unsigned long long* counter, unsigned long long least) {
  __syncthreads();
  if (threadIdx.x == 0) {
    asm volatile("red.release.gpu.global.add.u64 [%0], 1;" ::"l"(counter) : "memory");
    unsigned long long seen;
    do {
      asm volatile("ld.acquire.gpu.global.u64 %0, [%1];" : "=l"(seen) : "l"(counter) : "memory");
    } while (seen < least);
  }
  __syncthreads();
}

__global__ void __launch_bounds__(kThreads, 1) barriers(unsigned long long* counter, int times) {
  for (int i = 1; i <= times; ++i) arrive_and_wait(counter, static_cast<unsigned long long>(i) * gridDim.x);
}

// Every block writes its share of `count` numbers and reads all of them, whose sum goes into the next: behind a
// barrier,
__global__ void __launch_bounds__(kThreads, 1)
    rounds_by_barrier(unsigned long long* counter, float* numbers, int count, int times, float* sink) {
  float carried = static_cast<float>(threadIdx.x);
  for (int i = 1; i <= times; ++i) {
    float* const here = numbers + i % 3 * count;
    const int begin = count * blockIdx.x / gridDim.x, end = count * (blockIdx.x + 1) / gridDim.x;
    if (begin + static_cast<int>(threadIdx.x) < end) here[begin + threadIdx.x] = carried;
    arrive_and_wait(counter, static_cast<unsigned long long>(i) * gridDim.x);
    float sum = 0;
    for (int j = threadIdx.x; j < count; j += kThreads) sum += __ldcg(here + j);
    carried = sum * .001f;
  }
  if (carried == 12345.f) *sink = carried;
}

// or as words of 64 bits that hold the number and the round.
__global__ void __launch_bounds__(kThreads, 1)
    rounds_by_tag(unsigned long long* words, int count, int times, float* sink) {
  float carried = static_cast<float>(threadIdx.x);
  for (int i = 1; i <= times; ++i) {
    unsigned long long* const here = words + i % 3 * count;
    const int begin = count * blockIdx.x / gridDim.x, end = count * (blockIdx.x + 1) / gridDim.x;
    if (begin + static_cast<int>(threadIdx.x) < end) {
      const unsigned long long word = static_cast<unsigned long long>(i) << 32 | __float_as_uint(carried);
      asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(here + begin + threadIdx.x), "l"(word) : "memory");
    }
    unsigned long long word[kMost];
    bool all;
    do {
      all = true;
#pragma unroll
      for (int j = 0; j < kMost; ++j) {
        const int at = j * kThreads + threadIdx.x;
        if (at < count) asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(word[j]) : "l"(here + at));
      }
#pragma unroll
      for (int j = 0; j < kMost; ++j) {
        if (j * kThreads + static_cast<int>(threadIdx.x) < count)
          all = all && word[j] >> 32 == static_cast<unsigned>(i);
      }
    } while (!all);
    float sum = 0;
#pragma unroll
    for (int j = 0; j < kMost; ++j) {
      if (j * kThreads + static_cast<int>(threadIdx.x) < count) sum += __uint_as_float(static_cast<unsigned>(word[j]));
    }
    carried = sum * .001f;
    __syncthreads();
  }
  if (carried == 12345.f) *sink = carried;
}

__global__ void __launch_bounds__(kThreads, 1) read_all(const uint4* from, size_t count, float* sink) {
  constexpr int kAhead = 8;
  unsigned sum = 0;
  const size_t begin = count * blockIdx.x / gridDim.x, end = count * (blockIdx.x + 1) / gridDim.x;
  for (size_t i = begin + threadIdx.x; i + (kAhead - 1) * kThreads < end; i += kAhead * kThreads) {
    uint4 got[kAhead];
#pragma unroll
    for (int j = 0; j < kAhead; ++j) {
      asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
                   : "=r"(got[j].x), "=r"(got[j].y), "=r"(got[j].z), "=r"(got[j].w)
                   : "l"(from + i + j * kThreads));
    }
#pragma unroll
    for (int j = 0; j < kAhead; ++j) sum ^= got[j].x ^ got[j].y ^ got[j].z ^ got[j].w;
  }
  if (sum == 0x12345) *sink = 1;
}

template <class Work>
float fastest_ms(const Work& work) {
  cudaEvent_t begin, end;
  REQUIRE(cudaEventCreate(&begin));
  REQUIRE(cudaEventCreate(&end));
  float best = 1e9f;
  for (int run = 0; run < 6; ++run) {
    REQUIRE(cudaEventRecord(begin));
    work();
    REQUIRE(cudaEventRecord(end));
    REQUIRE(cudaEventSynchronize(end));
    float ms = 0;
    REQUIRE(cudaEventElapsedTime(&ms, begin, end));
    if (run > 0) best = std::min(best, ms);
  }
  return best;
}

}  // namespace

int main() {
  cudaDeviceProp device;
  REQUIRE(cudaGetDeviceProperties(&device, 0));
  const int blocks = device.multiProcessorCount;
  int times = 2000;
  constexpr size_t kSmall = 1 << 20;
  char* memory = nullptr;
  float* sink = nullptr;
  REQUIRE(cudaMalloc(&memory, kSmall));
  REQUIRE(cudaMalloc(&sink, sizeof *sink));
  std::printf("%s, %d multiprocessors\n", device.name, blocks);

  const auto together = [&](const void* kernel, void** args) {
    REQUIRE(cudaMemsetAsync(memory, 0, kSmall));
    REQUIRE(cudaLaunchCooperativeKernel(kernel, dim3(blocks), dim3(kThreads), args, 0, nullptr));
  };
  auto* counter = reinterpret_cast<unsigned long long*>(memory);
  auto* numbers = reinterpret_cast<float*>(memory + 4096);
  auto* words = reinterpret_cast<unsigned long long*>(memory);
  const auto us = [&](float ms) { return ms * 1e3f / static_cast<float>(times); };
  {
    void* args[] = {&counter, &times};
    const auto* kernel = reinterpret_cast<const void*>(barriers);
    std::printf("grid barrier: %.3f us\n", us(fastest_ms([&] { together(kernel, args); })));
  }
  for (int count : {768, 3072}) {
    void* by_barrier[] = {&counter, &numbers, &count, &times, &sink};
    const auto* first = reinterpret_cast<const void*>(rounds_by_barrier);
    std::printf("%d numbers by barrier: %.3f us\n", count, us(fastest_ms([&] { together(first, by_barrier); })));
    void* by_tag[] = {&words, &count, &times, &sink};
    const auto* second = reinterpret_cast<const void*>(rounds_by_tag);
    std::printf("%d numbers by tag: %.3f us\n", count, us(fastest_ms([&] { together(second, by_tag); })));
  }
  for (const size_t bytes : {size_t{170} << 20, size_t{2} << 30}) {
    uint4* from = nullptr;
    REQUIRE(cudaMalloc(&from, bytes));
    REQUIRE(cudaMemset(from, 1, bytes));
    const float ms = fastest_ms([&] { read_all<<<blocks, kThreads>>>(from, bytes / sizeof(uint4), sink); });
    std::printf("reading %zu MiB: %.1f us, %.0f GB/s\n", bytes >> 20, ms * 1e3f, static_cast<double>(bytes) / ms / 1e6);
    REQUIRE(cudaFree(from));
  }
  return 0;
}
