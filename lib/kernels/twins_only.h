#pragma once

namespace tacit {

// While one lives, layers on its thread take the twins instead of the kernels: the slow, obvious path, as a proof.
// Training's kernels, which have a backward pass of their own, are held to its plain path instead.
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
