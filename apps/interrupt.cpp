#include "apps/interrupt.h"

#include <unistd.h>
#include <csignal>

#include <atomic>

#include "apps/command.h"

namespace tacit {
namespace {

std::atomic<bool> pressed{false};
std::atomic<bool> looked_at{false};  // somebody looks at the flag

void on_interrupt(int) {
  if (!looked_at.load() || pressed.exchange(true)) _exit(kInterruptedBySignal);
}

}  // namespace

void install_interrupt_handler() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;  // a write that Ctrl-C cut short would count as an output that failed
  sigaction(SIGINT, &action, nullptr);
}

bool interrupted() {
  looked_at.store(true);
  return pressed.load();
}

void clear_interrupt() {
  looked_at.store(true);
  pressed.store(false);
}

}  // namespace tacit
