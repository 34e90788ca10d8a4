#pragma once

#include <math.h>
#include <setjmp.h>
#include <ucontext.h>

#include <bit>
#include <cstdint>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "lib/core/error.h"

// A GPU to run device code on without one: what lib/kernels/device/intrinsics.cuh offers, over fibers. Every thread of
// every block is a fiber, all blocks are resident, and who goes on at a barrier, a shuffle or a tag is drawn by
// chance: now thread by thread, now a warp for as long as it can, so that what leans on an order that nobody guarantees
// shows itself, a warp that runs ahead of its block as well. Stricter than a GPU: a barrier or shuffle that some thread
// of the block or warp never reaches is an error, also if that thread has ended.
#define TACIT_DEVICE inline
#define TACIT_BOTH inline
#define TACIT_UNROLL
#define TACIT_LOOP

namespace tacit::device {

inline constexpr int kLanes = 32;

// AddressSanitizer does not follow jumps between stacks.
#ifdef __SANITIZE_ADDRESS__
inline constexpr bool kCanEmulate = false;
#else
inline constexpr bool kCanEmulate = true;
#endif
inline bool emulates() {
  if (!kCanEmulate) std::cout << "TACIT-SKIP: no emulated device under AddressSanitizer" << std::endl;
  return kCanEmulate;
}

class EmulatedGrid {
 public:
  EmulatedGrid(int blocks, int threads, int64_t shared_floats, uint64_t seed)
      : blocks_(blocks),
        threads_(threads),
        random_(seed),
        group_(blocks),
        warp_(blocks * threads / kLanes),
        ready_(warp_.size()) {
    for (Group& group : group_) group.shared.assign(shared_floats + 4, NAN);  // what nobody wrote must not matter
  }

  // Runs body() on every thread. -> fails when nobody can go on before all have ended
  void run(const std::function<void()>& body) {
    body_ = &body;
    EmulatedGrid* const outer = current_;
    current_ = this;
    fiber_.resize(static_cast<size_t>(blocks_) * threads_);
    for (size_t i = 0; i < fiber_.size(); ++i) {
      Fiber& fiber = fiber_[i];
      fiber.stack = std::make_unique_for_overwrite<char[]>(kStack);
      getcontext(&fiber.context);
      fiber.context.uc_stack.ss_sp = fiber.stack.get();
      fiber.context.uc_stack.ss_size = kStack;
      makecontext(&fiber.context, &EmulatedGrid::enter, 0);
      make_ready(static_cast<int>(i));
    }
    while (!ready_warps_.empty()) go_on();
    current_ = outer;
    size_t ended = 0;
    for (const Fiber& fiber : fiber_) ended += fiber.ended;
    require(ended == fiber_.size(), "emulated_device", "expected ", fiber_.size(), " threads to end but only ", ended,
            " did: the others wait for each other");
  }

  int thread() const { return running_ % threads_; }
  int block() const { return running_ / threads_; }
  int blocks() const { return blocks_; }
  float* shared() {
    auto at = reinterpret_cast<uintptr_t>(group_[block()].shared.data());
    return reinterpret_cast<float*>((at + 15) / 16 * 16);
  }
  static EmulatedGrid& current() { return *current_; }

  void sync_block() {
    Group& group = group_[block()];
    meet(group.waiting, threads_);
  }
  float shuffle_xor(float value, int mask) {
    Warp& warp = warp_[running_ / kLanes];
    const int lane = running_ % kLanes, turn = fiber_[running_].shuffles++ % 2;
    warp.value[turn][lane] = value;
    meet(warp.waiting, kLanes);
    return warp.value[turn][lane ^ mask];
  }
  // Until somebody tells that there is something new at the address.
  void wait(const void* address) {
    waiting_at_[address].push_back(running_);
    yield();
  }
  void tell(const void* address) {
    const auto found = waiting_at_.find(address);
    if (found == waiting_at_.end()) return;
    for (const int fiber : found->second) make_ready(fiber);
    waiting_at_.erase(found);
  }

 private:
  static constexpr size_t kStack = 64 << 10;
  struct Fiber {
    ucontext_t context;  // to begin with; from then on `paused`, whose jumps make no system call
    jmp_buf paused;
    std::unique_ptr<char[]> stack;
    unsigned shuffles = 0;
    bool begun = false, ended = false;
  };
  struct Group {
    std::vector<float> shared;
    std::vector<int> waiting;
  };
  struct Warp {
    float value[2][kLanes];
    std::vector<int> waiting;
  };

  static void enter() {
    EmulatedGrid& grid = current();
    (*grid.body_)();
    grid.fiber_[grid.running_].ended = true;
    _longjmp(grid.scheduler_, 1);
  }
  void make_ready(int fiber) {
    std::vector<int>& fibers = ready_[fiber / kLanes];
    if (fibers.empty()) ready_warps_.push_back(fiber / kLanes);
    fibers.push_back(fiber);
  }
  // A fiber that can go on, of the favoured warp while its turn lasts.
  int draw() {
    if (turn_ == 0 || ready_[favoured_].empty()) {
      favoured_ = ready_warps_[random_() % ready_warps_.size()];
      turn_ = random_() % 2 == 0 ? 1 : 1 + random_() % 4096;
    }
    --turn_;
    std::vector<int>& fibers = ready_[favoured_];
    std::swap(fibers[random_() % fibers.size()], fibers.back());
    const int fiber = fibers.back();
    fibers.pop_back();
    if (fibers.empty()) std::erase(ready_warps_, favoured_);
    return fiber;
  }
  // Lets a fiber that can go on do so, until it waits or ends.
  void go_on() {
    running_ = draw();
    if (_setjmp(scheduler_) != 0) return;
    Fiber& fiber = fiber_[running_];
    if (fiber.begun) _longjmp(fiber.paused, 1);
    fiber.begun = true;
    setcontext(&fiber.context);
  }
  void yield() {
    if (_setjmp(fiber_[running_].paused) == 0) _longjmp(scheduler_, 1);
  }
  void meet(std::vector<int>& waiting, int all) {
    waiting.push_back(running_);
    if (static_cast<int>(waiting.size()) == all) {
      for (const int fiber : waiting) make_ready(fiber);
      waiting.clear();
    }
    yield();
  }

  inline static EmulatedGrid* current_ = nullptr;
  int blocks_, threads_;
  std::mt19937_64 random_;
  std::vector<Group> group_;
  std::vector<Warp> warp_;
  std::vector<Fiber> fiber_;
  std::map<const void*, std::vector<int>> waiting_at_;
  std::vector<std::vector<int>> ready_;  // fibers, by warp
  std::vector<int> ready_warps_;
  int favoured_ = 0;
  uint64_t turn_ = 0;  // draws that it still has
  jmp_buf scheduler_;
  const std::function<void()>* body_ = nullptr;
  int running_ = 0;
};

inline int thread() { return EmulatedGrid::current().thread(); }
inline int block() { return EmulatedGrid::current().block(); }
inline int blocks() { return EmulatedGrid::current().blocks(); }
inline void sync_block() { EmulatedGrid::current().sync_block(); }
inline float shuffle_xor(float value, int mask) { return EmulatedGrid::current().shuffle_xor(value, mask); }
inline float* shared_memory() { return EmulatedGrid::current().shared(); }

struct alignas(16) Words4 {
  uint32_t word[4];
};
struct alignas(8) Words2 {
  uint32_t word[2];
};
struct alignas(16) Float4 {
  float value[4];
};
inline Words4 load_constant(const void* address) {
  require(reinterpret_cast<uintptr_t>(address) % 16 == 0, "emulated_device", "expected a 16-byte boundary");
  return *static_cast<const Words4*>(address);
}
inline Words2 load_constant_half(const void* address) {
  require(reinterpret_cast<uintptr_t>(address) % 8 == 0, "emulated_device", "expected an 8-byte boundary");
  return *static_cast<const Words2*>(address);
}
inline Words4 load_written(const void* address) { return load_constant(address); }
inline float load_written(const float* address) { return *address; }
inline uint16_t load_written(const uint16_t* address) { return *address; }
inline void prefetch(const void*) {}

inline float as_float(uint32_t bits) { return std::bit_cast<float>(bits); }
inline uint32_t as_bits(float value) { return std::bit_cast<uint32_t>(value); }
inline uint16_t round_to_bf16(float value) {  // to nearest, ties to even
  const uint32_t bits = as_bits(value);
  return value == value ? static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) : uint16_t{0x7fff};
}
inline float reciprocal_root(float value) { return 1.0f / sqrtf(value); }
inline float infinity() { return INFINITY; }

struct alignas(8) Tagged {
  float value;
  uint32_t tag;
};
struct alignas(16) TaggedPair {
  Tagged first, second;
};
inline Tagged load_tagged(const Tagged* address) { return *address; }
inline TaggedPair load_tagged(const TaggedPair* address) { return *address; }
inline void store_tagged(Tagged* address, float value, uint32_t tag) {
  *address = {value, tag};
  EmulatedGrid::current().tell(address);
}
inline void store_tagged(TaggedPair* address, float first, float second, uint32_t tag) {
  *address = {{first, tag}, {second, tag}};
  EmulatedGrid::current().tell(address);
}
inline void wait_for(const void* address, uint32_t tag) {
  if (static_cast<const Tagged*>(address)->tag != tag) EmulatedGrid::current().wait(address);
}
inline void flush_stores() {}

}  // namespace tacit::device
