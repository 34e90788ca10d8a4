#pragma once

namespace tacit {

// While one lives, layers on its thread take the twins instead of the kernels: the slow, obvious path, as a proof.
class TwinsOnly {
 public:
  TwinsOnly();
  ~TwinsOnly();
  TwinsOnly(const TwinsOnly&) = delete;
  TwinsOnly& operator=(const TwinsOnly&) = delete;

  static bool any();

 private:
  bool before_;
};

}  // namespace tacit
