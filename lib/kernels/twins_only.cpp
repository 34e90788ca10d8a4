#include "lib/kernels/twins_only.h"

#include <utility>

namespace tacit {

static thread_local bool twins_only = false;

TwinsOnly::TwinsOnly() : before_(std::exchange(twins_only, true)) {}
TwinsOnly::~TwinsOnly() { twins_only = before_; }
bool TwinsOnly::any() { return twins_only; }

}  // namespace tacit
