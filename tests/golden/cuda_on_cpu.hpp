// As much of CUDA as mmcv's point kernels need, on the CPU; make_kernels.py copies it to the name that they include.
#pragma once
#include <algorithm>
#include <barrier>
#include <cmath>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

struct Index {
  unsigned x, y, z;
};
inline thread_local Index blockIdx, threadIdx;
inline std::unique_ptr<std::barrier<>> block;  // of the threads of the one block that runs

#define __global__
#define __device__
#define __shared__ static
#define __restrict__
#define __syncthreads() block->arrive_and_wait()
// The kernels move their pointers in the body, so a thread may run it once only, as it does on a GPU.
#define CUDA_1D_KERNEL_LOOP(i, n) for (unsigned i = threadIdx.x, once = 0; once < 1 && i < unsigned(n); ++once)

using std::max;
using std::min;

template <typename T>
void atomicAdd(T *place, T value) {
  *place += value;
}

// Kernels whose threads do not wait for each other: one after the other, in the order of their indices.
template <typename Kernel>
void in_turn(int threads, int blocks_y, int blocks_z, Kernel kernel) {
  for (unsigned z = 0; z < unsigned(blocks_z); ++z)
    for (unsigned y = 0; y < unsigned(blocks_y); ++y)
      for (unsigned x = 0; x < unsigned(threads); ++x) {
        blockIdx = {0, y, z};
        threadIdx = {x, 0, 0};
        kernel();
      }
}

// Kernels whose threads do: each in a thread of the processor.
template <typename Kernel>
void together(int blocks, int threads, Kernel kernel) {
  for (unsigned b = 0; b < unsigned(blocks); ++b) {
    block = std::make_unique<std::barrier<>>(threads);
    std::vector<std::thread> running;
    for (unsigned t = 0; t < unsigned(threads); ++t)
      running.emplace_back([=] {
        blockIdx = {b, 0, 0};
        threadIdx = {t, 0, 0};
        kernel();
      });
    for (auto &thread : running) thread.join();
  }
}
