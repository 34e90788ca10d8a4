#include "apps/progress_bar.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>

#include "apps/interrupt.h"

namespace tacit {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kRedrawSeconds = 0.1, kLineSeconds = 10;
constexpr int64_t kBarCells = 24;

int64_t terminal_columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string duration(double seconds) {
  const int64_t s = static_cast<int64_t>(seconds + 0.5);
  char text[32];
  if (s < 60) {
    std::snprintf(text, sizeof text, "%llds", static_cast<long long>(s));
  } else if (s < 3600) {
    std::snprintf(text, sizeof text, "%lldm%02llds", static_cast<long long>(s / 60), static_cast<long long>(s % 60));
  } else {
    std::snprintf(text, sizeof text, "%lldh%02lldm", static_cast<long long>(s / 3600),
                  static_cast<long long>(s / 60 % 60));
  }
  return text;
}

class Bar {
 public:
  ~Bar() { erase(); }

  void show(const Progress& progress) {
    const auto now = Clock::now();
    if (progress.what != what_ || progress.done < first_done_) {
      what_ = progress.what;
      first_done_ = progress.done;
      begin_ = now;
      last_ = now;
      if (!terminal_) return;
    }
    const bool finished = progress.total > 0 && progress.done >= progress.total;
    const double waited = std::chrono::duration<double>(now - last_).count();
    if (!finished && waited < (terminal_ ? kRedrawSeconds : kLineSeconds)) return;
    last_ = now;
    if (terminal_) {
      draw(line(progress, now));
    } else {
      std::fprintf(stderr, "%s\n", line(progress, now).c_str());
    }
  }

 private:
  std::string line(const Progress& progress, Clock::time_point now) const {
    std::string text = progress.what;
    const double spent = std::chrono::duration<double>(now - begin_).count();
    if (progress.total > 0) {
      const double share = static_cast<double>(progress.done) / static_cast<double>(progress.total);
      if (terminal_) {
        text += " ";
        for (int64_t i = 0; i < kBarCells; ++i) text += static_cast<double>(i) < share * kBarCells ? "█" : "░";
      }
      char percent[64];
      std::snprintf(percent, sizeof percent, " %3.0f%% %lld/%lld", 100 * share, static_cast<long long>(progress.done),
                    static_cast<long long>(progress.total));
      text += percent;
    } else {
      text += " " + std::to_string(progress.done);
    }
    if (!progress.detail.empty()) text += "  " + progress.detail;
    const int64_t done_here = progress.done - first_done_;
    if (progress.total > progress.done && done_here > 0) {
      text += "  " +
              duration(spent / static_cast<double>(done_here) * static_cast<double>(progress.total - progress.done)) +
              " left";
    }
    return text;
  }

  // One line at most: a longer one would scroll at every redraw.
  static std::string cut(const std::string& text, int64_t columns) {
    int64_t used = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      const bool starts_character = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
      if (starts_character && ++used >= columns) return text.substr(0, i);
    }
    return text;
  }

  void draw(const std::string& text) {
    std::fprintf(stderr, "\r\x1b[K%s", cut(text, terminal_columns()).c_str());
    std::fflush(stderr);
    drawn_ = true;
  }

  void erase() {
    if (drawn_) std::fprintf(stderr, "\r\x1b[K");
    std::fflush(stderr);
    drawn_ = false;
  }

  const bool terminal_ = isatty(STDERR_FILENO) != 0;
  bool drawn_ = false;
  std::string what_;
  int64_t first_done_ = 0;
  Clock::time_point begin_ = Clock::now(), last_ = begin_;
};

}  // namespace

ProgressCallback progress_bar() {
  interrupted();  // from here on Ctrl-C asks before it kills
  return [bar = std::make_shared<Bar>()](const Progress& progress) {
    bar->show(progress);
    return !interrupted();
  };
}

}  // namespace tacit
