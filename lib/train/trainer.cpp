#include "lib/train/trainer.h"

#include <ATen/core/grad_mode.h>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/model/checkpoint.h"
#include "lib/model/slots.h"
#include "lib/train/training_state.h"

namespace tacit {
namespace {

// The model with its weights rounded to bf16; gradients arrive at the fp32 weights.
Transformer in_bf16(const Transformer& model) {
  std::map<std::string, at::Tensor> weights;
  for (const auto& [name, weight] : model.weights()) {
    weights[name] = slots::kept_in_fp32(name) ? weight : weight.to(at::kBFloat16);
  }
  return Transformer(model.config(), std::move(weights));
}

using Figures = std::vector<std::pair<std::string, double>>;

void add(Figures& sum, const Figures& part, double weight) {
  for (const auto& [name, value] : part) {
    auto found = std::find_if(sum.begin(), sum.end(), [&](const auto& f) { return f.first == name; });
    if (found == sum.end()) {
      sum.emplace_back(name, value * weight);
    } else {
      found->second += value * weight;
    }
  }
}

struct Update {
  double loss = 0, gradient_norm = 0;
  Figures figures;
  int64_t tokens = 0;
};

Update run_update(const Transformer& model, const TrainingProblem& problem, const TrainerOptions& options,
                  AdamW& optimizer, int64_t step) {
  Update out;
  optimizer.zero_grad();
  const double share = 1.0 / static_cast<double>(options.accumulate);
  for (int64_t micro = 0; micro < options.accumulate; ++micro) {
    const MicroBatch batch = problem.loss(options.bf16 ? in_bf16(model) : model, step, micro);
    (batch.loss * share).backward();
    out.loss += batch.loss.item<double>() * share;
    out.tokens += batch.tokens;
    add(out.figures, batch.figures, share);
  }
  require(std::isfinite(out.loss), "train", "expected a finite loss but got ", out.loss, " at step ", step + 1,
          "; lower the learning rate or check the data");
  out.gradient_norm = clip_gradients(optimizer.weights(), options.clip);
  require(std::isfinite(out.gradient_norm), "train", "expected a finite gradient but got a norm of ", out.gradient_norm,
          " at step ", step + 1, "; lower the learning rate");
  optimizer.step(options.learning_rate * options.schedule.factor(step));
  return out;
}

// Keeps the lines up to `step`: those after it belong to work that the kill undid.
void cut_metrics(const std::filesystem::path& path, int64_t step) {
  if (!std::filesystem::exists(path)) return;
  std::string kept;
  for_each_line(path, "resume", [&](std::string_view text, int64_t) {
    const Json line = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    const bool whole = line.is_object() && line.contains("step") && line["step"].is_number_integer();
    if (whole && line["step"].get<int64_t>() <= step) kept += std::string(text) + "\n";
  });
  write_file_atomic(path, kept, "resume");
}

std::string detail(const Update& update, double milliseconds) {
  char text[96];
  std::snprintf(text, sizeof text, "loss %.3f, %.1fk tokens/s", update.loss,
                static_cast<double>(update.tokens) / std::max(milliseconds, 1e-3));
  return text;
}

OrderedJson metrics_line(int64_t step, const Update& update, double learning_rate, double milliseconds) {
  OrderedJson line = {{"step", step}, {"loss", update.loss}};
  for (const auto& [name, value] : update.figures) line[name] = value;
  line["lr"] = learning_rate;
  line["grad_norm"] = update.gradient_norm;
  line["tokens"] = update.tokens;
  line["ms"] = milliseconds;
  return line;
}

}  // namespace

bool training_exists(const std::filesystem::path& directory) {
  return std::filesystem::exists(directory / "training_state.safetensors");
}

void train(const std::shared_ptr<Transformer>& model, const TrainingProblem& problem, const TrainerOptions& options,
           const Json& config, const std::string& recipe, const std::filesystem::path& directory, bool resume,
           const ProgressCallback& progress) {
  require(options.schedule.steps >= 1, "train", "expected at least 1 step but got ", options.schedule.steps);
  require(options.accumulate >= 1, "train", "expected accumulate of at least 1 but got ", options.accumulate);
  std::filesystem::create_directories(directory);
  const auto state = directory / "training_state.safetensors", metrics_path = directory / "metrics.jsonl";
  std::map<std::string, at::Tensor> leaves = model->weights();
  for (const auto& [name, weight] : problem.own) leaves["method/" + name] = weight;
  AdamW optimizer(leaves, options.adamw);
  int64_t step = 0;
  const auto save_checkpoint = [&] {
    if (!problem.own.empty()) save_method_weights(directory, problem.own);
    save_model(directory, *model, config);
  };
  if (training_exists(directory)) {
    require(resume, "train", "expected a folder without a training but ", state.string(),
            " exists; resume it or choose another folder");
    step = load_training_state(state, optimizer, recipe, options.schedule.steps);
    cut_metrics(metrics_path, step);
    // A kill may have come between the last state and its checkpoint.
    if (step == options.schedule.steps) save_checkpoint();
  } else if (std::filesystem::exists(metrics_path)) {
    cut_metrics(metrics_path, 0);
  }
  LineAppender metrics(metrics_path, "train");
  auto save = [&] {
    metrics.sync();
    save_training_state(state, optimizer, step, recipe);
    save_checkpoint();
  };
  while (step < options.schedule.steps) {
    if (problem.resets_optimizer && problem.resets_optimizer(step)) optimizer.reset();
    const auto begin = std::chrono::steady_clock::now();
    const Update update = run_update(*model, problem, options, optimizer, step);
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    const double learning_rate = options.learning_rate * options.schedule.factor(step);
    ++step;
    metrics.append(metrics_line(step, update, learning_rate, ms).dump());
    if (options.validate_every > 0 && problem.validate &&
        (step % options.validate_every == 0 || step == options.schedule.steps)) {
      const at::NoGradGuard no_grad;
      OrderedJson line = {{"step", step}, {"validation", OrderedJson::object()}};
      for (const auto& [name, value] : problem.validate(*model)) line["validation"][name] = value;
      metrics.append(line.dump());
    }
    const bool go_on = !progress || progress({"train", step, options.schedule.steps, detail(update, ms)});
    if (step % options.checkpoint_every == 0 || step == options.schedule.steps || !go_on) save();
    if (!go_on) throw Interrupted("train", "interrupted after step " + std::to_string(step) + "; resume to go on");
  }
}

}  // namespace tacit
