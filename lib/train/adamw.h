#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>

namespace tacit {

// Decoupled weight decay [AdamW, arXiv:1711.05101]. Defaults suit the small models trained here.
struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.99;
  double eps = 1e-8;
  double weight_decay = 0.01;  // on matrices only; 0 turns it off
};

class AdamW {
 public:
  // Keeps handles to the leaves, by name.
  AdamW(std::map<std::string, at::Tensor> weights, const AdamWOptions& options);

  // One update from the leaves' gradients; a leaf without a gradient stays as it is.
  void step(double learning_rate);
  void zero_grad();
  void reset();  // forgets all moments

  const std::map<std::string, at::Tensor>& weights() const { return weights_; }

  // First and second moments and the number of updates, for checkpoints.
  const std::map<std::string, at::Tensor>& first_moments() const { return m_; }
  const std::map<std::string, at::Tensor>& second_moments() const { return v_; }
  int64_t updates() const { return updates_; }
  void restore(const std::map<std::string, at::Tensor>& first, const std::map<std::string, at::Tensor>& second,
               int64_t updates);

 private:
  std::map<std::string, at::Tensor> weights_, m_, v_;
  AdamWOptions options_;
  int64_t updates_ = 0;
};

// Scales all gradients so that their joint norm is at most `max_norm`; 0 only measures.  -> the norm before
double clip_gradients(const std::map<std::string, at::Tensor>& weights, double max_norm);

// Warm-up from 0, a plateau at 1, then linear decay over the last `decay_fraction` of the steps to `final_ratio`.
struct Schedule {
  int64_t steps = 1000;
  int64_t warmup_steps = 50;
  double decay_fraction = 0.3;
  double final_ratio = 0.05;
  double factor(int64_t step) const;  // of update number `step`, from 0
};

}  // namespace tacit
