#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

namespace tacit {

// Threads that do one kernel's work together, in phases.
class Team {
 public:
  struct Meeting {
    alignas(64) std::atomic<int64_t> arrived{0};
    alignas(64) std::atomic<int64_t> round{0};
  };
  Team(int64_t member, int64_t size, Meeting& meeting) : member_(member), size_(size), meeting_(meeting) {}

  int64_t member() const { return member_; }  // 0 .. size() - 1
  int64_t size() const { return size_; }
  // This member's part of 0 .. count.
  std::pair<int64_t, int64_t> share(int64_t count) const {
    return {count * member_ / size_, count * (member_ + 1) / size_};
  }
  // Returns when all have come, and what each had written is seen by all. All must come.
  void meet();

 private:
  int64_t member_, size_;
  Meeting& meeting_;
};

// Runs `work`, which must not throw, on the threads that tensor operations use (at::get_num_threads), once; on the
// calling one alone where `alone`, or inside of a parallel region. They are OpenMP's, the same that LibTorch waits on:
// a second pool would compete with it.
void run_team(bool alone, const std::function<void(Team&)>& work);

// Calls `f`, which must not throw, on parts of begin .. end that are of `grain` or more, one a thread. at::parallel_for
// is serial in a file that is compiled without OpenMP.
void parallel_parts(int64_t begin, int64_t end, int64_t grain, const std::function<void(int64_t, int64_t)>& f);

}  // namespace tacit
