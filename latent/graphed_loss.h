#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "latent/batch.h"
#include "latent/objective.h"
#include "lib/train/trainer.h"
#include "lib/train/work_recorder.h"

namespace tacit {

// latent_loss() and its backward pass for training on CUDA, where the host takes longer to launch an update's thousands
// of small kernels than the device to run them. All of it, from the rounding of the weights to the gradients of the
// leaves, is recorded for a shape of batch and replayed for later batches of that shape; batches are widened to one of
// a few shapes. The first batch of a shape is computed without recording.
//
// What it costs: a second copy of all gradients (a third where micro-batches are accumulated), and device memory of its
// own for what the passes keep, which stays with the recordings.
//
// Takes losses of tokens alone, with the gradient through thoughts, of decoders with attention and a plain MLP, whose
// weights are leaves. Recomputation is not for it: of what a pass computes, it keeps everything.
class GraphedLoss {
 public:
  // null = run() computes nothing
  explicit GraphedLoss(std::unique_ptr<WorkRecorder> recorder);
  ~GraphedLoss();

  // Whether such a loss can be recorded.
  static bool takes(const Transformer& model, const std::vector<TrainingRow>& rows, const LatentLossOptions& loss);

  // The loss, its gradient, times options.share, added to that of the model's leaves already. A leaf without one is
  // given a tensor of this object; the next call writes over it, unless it is still the leaf's and thus to be added to.
  // Nothing = take latent_loss(): it is not taken, or trains no token. Where model or options are others than in the
  // last call, all recordings are forgotten.
  std::optional<LatentLoss> run(const Transformer& model, const std::vector<TrainingRow>& rows,
                                const LatentLossOptions& loss, const GradientOptions& options);

  bool records() const { return recorder_ != nullptr; }
  int64_t recorded() const { return recorded_; }  // shapes, since the start
  int64_t replayed() const { return replayed_; }  // batches

 private:
  struct Recording;  // of one shape
  struct Target {    // what all recordings read and write beside their batch
    const Transformer* model = nullptr;
    GradientOptions options;
    std::vector<at::Tensor> weights;            // all of the model's
    std::vector<const void*> addresses;         // of their numbers
    at::Tensor cos_PE, sin_PE;                  // the model's; held, for recordings read them where they lie
    std::vector<at::Tensor> leaves, gradients;  // those that take a gradient
    at::Tensor figures_2;                       // loss and accuracy
  };

  void aim_at(const Transformer& model, const GradientOptions& options);
  Recording& recording_of(const BatchShape& shape);
  void compute(Recording& recording) const;
  void keep_gradients() const;
  void hand_out_gradients(const Recording& recording) const;

  std::unique_ptr<WorkRecorder> recorder_;
  Target target_;
  std::map<BatchShape, std::unique_ptr<Recording>> recordings_;
  int64_t calls_ = 0, recorded_ = 0, replayed_ = 0;
};

}  // namespace tacit
