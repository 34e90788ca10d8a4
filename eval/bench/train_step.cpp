#include <ATen/ATen.h>

#include <algorithm>

#include "eval/bench/peak_memory.h"
#include "eval/bench/setting.h"
#include "latent/graphed_loss.h"
#include "lib/core/error.h"
#include "lib/train/adamw.h"

namespace tacit {
namespace {

constexpr double kLearningRate = 1e-5;
constexpr double kClip = 1;

// What one update needs, alive between rounds.
class Update {
 public:
  explicit Update(const BenchSetting& setting)
      : bf16_(setting.model->dtype() == at::kBFloat16),
        model_(trainable_copy(*setting.model)),
        optimizer_(model_->weights(), {}),
        graphed_(setting.graphs ? make_work_recorder(model_->device()) : nullptr) {
    for (std::vector<int64_t>& question : bench_questions(setting)) {
      TrainingRow row{.latents = setting.shape.latents};
      row.rest.assign(static_cast<size_t>(setting.shape.rest), question.front());
      row.rest_trained.assign(row.rest.size(), 1);
      row.prompt = std::move(question);
      rows_.push_back(std::move(row));
    }
    if (!setting.graphs) return;
    require(GraphedLoss::takes(*model_, rows_, {}), "bench",
            "expected a model whose updates can be recorded (latent/graphed_loss.h) but got ", setting.config,
            "; leave out '--graphs'");
    require(graphed_.records(), "bench",
            "expected a CUDA device and a LibTorch that record work there but got none; leave out '--graphs'");
  }

  void run() {
    optimizer_.zero_grad();
    std::optional<LatentLoss> loss = graphed_.run(*model_, rows_, {}, {.bf16 = bf16_});
    if (!loss) {
      loss = latent_loss(bf16_ ? *in_bf16(*model_) : *model_, rows_);
      loss->total.backward();
    }
    if (losses_.size() < 2) losses_.push_back(loss->tokens);
    clip_gradients(model_->weights(), kClip);
    optimizer_.step(kLearningRate);
  }

  // Of the first updates, for a program that does the same.
  const std::vector<double>& losses() const { return losses_; }
  int64_t replayed() const { return graphed_.replayed(); }  // updates

 private:
  bool bf16_;
  std::shared_ptr<Transformer> model_;
  AdamW optimizer_;
  GraphedLoss graphed_;
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
    if (setting.graphs) json["replayed"] = update->replayed();
    return json;
  };
  return out;
}

}  // namespace tacit
