#pragma once

#include <ATen/ATen.h>

#include <map>
#include <memory>
#include <string>

#include "lib/model/transformer.h"
#include "lib/train/lora.h"

namespace tacit {

using TensorMap = std::map<std::string, at::Tensor>;

// Which of a model's weights a training moves.
struct TrainedPart {
  bool freeze_model = false;  // none: a method's own alone
  LoraOptions lora;           // with a rank: low-rank factors beside them
};

// What a training moves, and the model that this makes.
class TrainedWeights {
 public:
  // `own`: a method's weights beside the model's, fp32 leaves. Fails when nothing would be trained.
  TrainedWeights(std::shared_ptr<const Transformer> model, const TensorMap& own, const TrainedPart& part);

  // By name: the model's slots, "lora/SLOT.a" and ".b", "method/NAME" of a method's own.
  const TensorMap& leaves() const { return leaves_; }
  // The model that the leaves make, gradient leading to them. New where a weight is not a leaf itself.
  std::shared_ptr<const Transformer> model() const;
  const TensorMap& own() const { return own_; }
  // Hash of the weights that stay as they are; empty where all are trained.
  std::string fixed_hash() const;

 private:
  std::shared_ptr<const Transformer> base_;
  TensorMap own_, leaves_, factors_;
  TrainedPart part_;
};

// The model with its weights rounded to bf16; gradients arrive at the weights as they were.
std::shared_ptr<const Transformer> in_bf16(const Transformer& model);

// SHA-256 of names, shapes and values.
std::string weights_hash(const TensorMap& weights);

// A mean over the updates in which one of k updates ago weighs decay^k:
//
//   average_t += (1 - decay) / (1 - decay^t) (w_t - average_{t-1})
//
// which starts at w_1 and is Adam's bias correction [arXiv:1412.6980] written as a running mean: the weights that the
// training started from have no share.
class WeightAverage {
 public:
  WeightAverage(const TensorMap& leaves, double decay);  // decay 0 = off: nothing is kept
  bool on() const { return decay_ > 0; }
  void update(int64_t updates);  // after update number `updates`, from 1
  void exchange();               // swaps the values of leaves and averages
  const TensorMap& averages() const { return averages_; }

 private:
  TensorMap leaves_, averages_;
  double decay_;
};

}  // namespace tacit
