#include "latent/graphed_loss.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_copy.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "latent/rest_loss.h"

namespace tacit {
namespace {

constexpr size_t kMostRecordings = 24;

// Whether nothing in the model's passes asks the host for a number of the batch: routing to experts does, and the rest
// has not been shown not to.
bool can_be_recorded(const ModelConfig& config) {
  if (config.bidirectional || config.nested.high_cycles > 0 || config.depth.injected || config.depth.exit_gate)
    return false;
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const LayerConfig& parts = config.layer(layer);
    const bool attends = parts.mixer == MixerKind::attention || parts.mixer == MixerKind::latent_attention;
    if (!attends || parts.feed_forward != FeedForwardKind::mlp) return false;
  }
  return true;
}

bool same_storage(const at::Tensor& a, const at::Tensor& b) { return a.defined() && a.is_alias_of(b); }

}  // namespace

struct GraphedLoss::Recording {
  at::Tensor host_numbers, numbers;  // the batch's, on the way and on the device
  Batch batch;                       // views of the second
  std::vector<bool> has_gradient;    // by leaf; known once computed
  std::unique_ptr<RecordedWork> work;
  int64_t last_call = 0;
};

GraphedLoss::GraphedLoss(std::unique_ptr<WorkRecorder> recorder) : recorder_(std::move(recorder)) {}
GraphedLoss::~GraphedLoss() = default;

bool GraphedLoss::takes(const Transformer& model, const std::vector<TrainingRow>& rows, const LatentLossOptions& loss) {
  if (!at::GradMode::is_enabled() || rows.empty() || !can_be_recorded(model.config())) return false;
  if (loss.path != TrainingPath::fast || loss.recompute || loss.teacher_forcing > 0) return false;
  if (!loss.through_thoughts && rows[0].latents > 0) return false;
  for (const TrainingRow& row : rows) {
    if (std::ranges::any_of(row.thought_targets, [](const auto& target) { return !target.empty(); })) return false;
  }
  bool any_leaf = false;
  for (const auto& [name, weight] : model.weights()) {
    if (!weight.is_leaf()) return false;
    any_leaf = any_leaf || weight.requires_grad();
  }
  return any_leaf;
}

std::optional<LatentLoss> GraphedLoss::run(const Transformer& model, const std::vector<TrainingRow>& rows,
                                           const LatentLossOptions& loss, const GradientOptions& options) {
  if (!recorder_ || !takes(model, rows, loss)) return {};
  const BatchShape exact = batch_shape(model.config(), rows);
  if (exact.trained == 0) return {};
  const BatchShape shape = rounded_shape(exact);
  aim_at(model, options);
  Recording& recording = recording_of(shape);
  const std::vector<int64_t> numbers = batch_numbers(rows, shape);
  std::ranges::copy(numbers, recording.host_numbers.mutable_data_ptr<int64_t>());
  recording.numbers.copy_(recording.host_numbers, /*non_blocking=*/true);
  keep_gradients();
  const auto compute_it = [this, &recording] { compute(recording); };
  if (recording.has_gradient.empty()) {
    recorder_->run(compute_it);
  } else {
    if (!recording.work) {
      recording.work = recorder_->record(compute_it);
      ++recorded_;
    }
    recording.work->replay();
    ++replayed_;
  }
  hand_out_gradients(recording);
  const at::Tensor figures = target_.figures_2.to(at::kCPU);  // waits for the device
  LatentLoss out;
  out.total = figures[0];
  out.tokens = figures[0].item<double>();
  out.accuracy = figures[1].item<double>();
  out.positions = positions_of(rows);
  return out;
}

void GraphedLoss::aim_at(const Transformer& model, const GradientOptions& options) {
  bool same = target_.model == &model && target_.options == options &&
              target_.weights.size() == model.weights().size() && target_.cos_PE.is_same(model.cos_PE()) &&
              target_.sin_PE.is_same(model.sin_PE());
  size_t i = 0;
  for (const auto& [name, weight] : model.weights()) {
    same = same && weight.is_same(target_.weights[i]) && weight.const_data_ptr() == target_.addresses[i];
    ++i;
  }
  if (same) return;
  recordings_.clear();
  target_ = {.model = &model, .options = options, .cos_PE = model.cos_PE(), .sin_PE = model.sin_PE()};
  for (const auto& [name, weight] : model.weights()) {
    target_.weights.push_back(weight);
    target_.addresses.push_back(weight.const_data_ptr());
    if (!weight.requires_grad()) continue;
    target_.leaves.push_back(weight);
    target_.gradients.push_back(at::empty_strided(weight.sizes(), weight.strides(), weight.options()));
  }
  target_.figures_2 = at::empty({2}, at::TensorOptions(at::kFloat).device(model.device()));
}

// The recording of a shape, its batch's tensors in place; a new one may take the place of the one longest unused.
GraphedLoss::Recording& GraphedLoss::recording_of(const BatchShape& shape) {
  auto& found = recordings_[shape];
  if (!found) {
    const at::Device device = target_.model->device();
    found = std::make_unique<Recording>();
    found->host_numbers = at::empty({shape.numbers()}, at::TensorOptions(at::kLong).pinned_memory(device.is_cuda()));
    found->numbers = at::empty({shape.numbers()}, at::TensorOptions(at::kLong).device(device));
    found->batch = batch_of(found->numbers, shape);
  }
  Recording& out = *found;
  out.last_call = ++calls_;
  if (recordings_.size() > kMostRecordings) {
    recordings_.erase(std::ranges::min_element(recordings_, {}, [](const auto& r) { return r.second->last_call; }));
  }
  return out;
}

// What is recorded: from the batch's numbers and the weights to figures and gradients.
void GraphedLoss::compute(Recording& recording) const {
  // Leaves that live no longer than this: the engine runs their nodes on the stream on which they were first used.
  std::map<std::string, at::Tensor> weights = target_.model->weights();
  std::vector<at::Tensor> leaves;
  for (auto& [name, weight] : weights) {
    const bool takes_gradient = weight.requires_grad();
    weight = weight.detach();
    if (takes_gradient) leaves.push_back(weight.requires_grad_(true));
  }
  const Transformer model(*target_.model, std::move(weights));
  const auto passes = fast_passes(target_.options.bf16 ? *in_bf16(model) : model, recording.batch, /*recompute=*/false);
  const Hidden hidden = run_through_thoughts(*passes, recording.batch);
  const RestLoss loss = rest_loss(passes->model(), recording.batch, hidden.before_BTD);
  const std::vector<at::Tensor> gradients =
      torch::autograd::grad({loss.total * target_.options.share}, leaves, {}, /*retain_graph=*/false,
                            /*create_graph=*/false, /*allow_unused=*/true);
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> to, from;
  recording.has_gradient.clear();
  for (size_t i = 0; i < gradients.size(); ++i) {
    recording.has_gradient.push_back(gradients[i].defined());
    if (!gradients[i].defined()) continue;
    to.push_back(target_.gradients[i]);
    from.push_back(gradients[i]);
  }
  at::_foreach_copy_(to, from);
  target_.figures_2.copy_(at::stack({loss.total.detach(), loss.accuracy}));
}

// Gradients that were handed out and are added to now, as an earlier micro-batch's are, move out of the way.
void GraphedLoss::keep_gradients() const {
  for (size_t i = 0; i < target_.leaves.size(); ++i) {
    at::Tensor& gradient = target_.leaves[i].mutable_grad();
    if (same_storage(gradient, target_.gradients[i])) gradient = gradient.clone();
  }
}

void GraphedLoss::hand_out_gradients(const Recording& recording) const {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> sums, parts;
  for (size_t i = 0; i < target_.leaves.size(); ++i) {
    if (!recording.has_gradient[i]) continue;
    at::Tensor& gradient = target_.leaves[i].mutable_grad();
    if (!gradient.defined()) {
      gradient = target_.gradients[i];
      continue;
    }
    sums.push_back(gradient);
    parts.push_back(target_.gradients[i]);
  }
  if (!sums.empty()) at::_foreach_add_(sums, parts);
}

}  // namespace tacit
