#include "lib/kernels/team.h"

#include <ATen/Parallel.h>
#include <omp.h>
#include <sched.h>
#include <algorithm>

namespace tacit {

void Team::meet() {
  if (size_ == 1) return;
  constexpr int kPatience = 4096;  // some 50 us: then another process may have the core that is waited for
  const int64_t round = meeting_.round.load(std::memory_order_relaxed);
  if (meeting_.arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
    meeting_.arrived.store(0, std::memory_order_relaxed);
    meeting_.round.store(round + 1, std::memory_order_release);
    return;
  }
  for (int spins = 0; meeting_.round.load(std::memory_order_acquire) == round; ++spins) {
    if (spins >= kPatience) {
      sched_yield();
    } else {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
  }
}

void run_team(bool alone, const std::function<void(Team&)>& work) {
  Team::Meeting meeting;
  const int threads = alone || at::in_parallel_region() ? 1 : at::get_num_threads();
  if (threads == 1) {
    Team team(0, 1, meeting);
    return work(team);
  }
#pragma omp parallel num_threads(threads)
  {
    Team team(omp_get_thread_num(), omp_get_num_threads(), meeting);  // fewer than asked for, where it has no more
    work(team);
  }
}

void parallel_parts(int64_t begin, int64_t end, int64_t grain, const std::function<void(int64_t, int64_t)>& f) {
  const int64_t count = end - begin, parts = count / std::max<int64_t>(grain, 1);
  if (count <= 0) return;
  if (parts <= 1) return f(begin, end);
  run_team(/*alone=*/false, [&](Team& team) {
    const int64_t shares = std::min(team.size(), parts);
    if (team.member() >= shares) return;
    f(begin + count * team.member() / shares, begin + count * (team.member() + 1) / shares);
  });
}

}  // namespace tacit
