#include <ATen/ATen.h>

#include <algorithm>

#include "eval/bench/peak_memory.h"
#include "eval/bench/setting.h"
#include "latent/objective.h"
#include "lib/model/slots.h"
#include "lib/train/adamw.h"

namespace tacit {
namespace {

constexpr double kLearningRate = 1e-5;
constexpr double kClip = 1;

// What one update needs, alive between rounds.
class Update {
 public:
  explicit Update(const BenchSetting& setting)
      : dtype_(setting.model->dtype()), model_(trainable_copy(*setting.model)), optimizer_(model_->weights(), {}) {
    for (std::vector<int64_t>& question : bench_questions(setting)) {
      TrainingRow row{.latents = setting.shape.latents};
      row.rest.assign(static_cast<size_t>(setting.shape.rest), question.front());
      row.rest_trained.assign(row.rest.size(), 1);
      row.prompt = std::move(question);
      rows_.push_back(std::move(row));
    }
  }

  void run() {
    optimizer_.zero_grad();
    const LatentLoss loss = latent_loss(dtype_ == at::kFloat ? *model_ : rounded(), rows_);
    if (losses_.size() < 2) losses_.push_back(loss.tokens);
    loss.total.backward();
    clip_gradients(model_->weights(), kClip);
    optimizer_.step(kLearningRate);
  }

  // Of the first updates, for a program that does the same.
  const std::vector<double>& losses() const { return losses_; }

 private:
  // As the trainer makes it: gradients arrive at the fp32 weights.
  Transformer rounded() const {
    std::map<std::string, at::Tensor> weights;
    for (const auto& [name, weight] : model_->weights()) {
      weights[name] = slots::kept_in_fp32(name) ? weight : weight.to(dtype_);
    }
    return {model_->config(), std::move(weights)};
  }

  at::ScalarType dtype_;
  std::shared_ptr<Transformer> model_;
  AdamW optimizer_;
  std::vector<TrainingRow> rows_;
  std::vector<double> losses_;
};

}  // namespace

Benchmark train_step_benchmark(const BenchSetting& setting) {
  const WorkShape shape = checked_shape(setting, setting.shape.question + setting.shape.latents + setting.shape.rest);
  const Work work = training_work(setting.model->config(), shape);
  const at::Device device = setting.model->device();
  const MachineRates rates(device, setting.model->dtype());
  const auto update = std::make_shared<Update>(setting);
  const int64_t before = resident_bytes();  // without gradients and activations
  const auto peak = std::make_shared<int64_t>(0);
  Benchmark out{.name = "train-step", .subjects = rates.subjects(), .result = {}};
  out.subjects.push_back({"ours", [=] {
                            const bool watched = device.is_cpu() && restart_peak_resident_bytes();
                            const double ms = milliseconds(device, [&] { update->run(); });
                            if (watched) *peak = std::max(*peak, peak_resident_bytes());
                            return ms;
                          }});
  out.result = [=](const Timings& timings) {
    OrderedJson json = describe(setting, "train-step");
    json["question"] = shape.question;
    json["latents"] = shape.latents;
    json["rest"] = shape.rest;
    put_times(json, timings, work, rates);
    json["examples_per_s"] = 1e3 * static_cast<double>(shape.rows) / median(timings, "ours");
    json["peak_memory_bytes"] = *peak > 0 ? OrderedJson(*peak) : OrderedJson();
    json["memory_before_bytes"] = *peak > 0 ? OrderedJson(before) : OrderedJson();
    json["losses"] = update->losses();
    return json;
  };
  return out;
}

}  // namespace tacit
