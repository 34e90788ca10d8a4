#include <ATen/ATen.h>

#include <numeric>

#include "decoding/decode.h"
#include "eval/bench/setting.h"

namespace tacit {
namespace {

constexpr int64_t kWarmUp = 1;    // untimed steps of every fork, for what a session makes at its first
constexpr int64_t kCompared = 8;  // values of a result that another program can compare

// Takes so many steps.
using Steps = std::function<void(Session& session, int64_t steps)>;

// A session that has read the questions; every measurement starts from a fork of it.
std::shared_ptr<const Session> asked(const BenchSetting& setting, const SessionOptions& options) {
  auto session = std::make_shared<Session>(setting.model, options);
  session->prefill(bench_questions(setting));
  return session;
}

// What is timed: these steps of a fork of this session.
struct Variant {
  std::string subject;
  std::shared_ptr<const Session> session;
  Steps take;
};

// "ours" is what the others are compared with.
std::vector<Variant> variants(const BenchSetting& setting, const SessionOptions& options, const Steps& take,
                              const Steps& traced) {
  const auto session = asked(setting, options);
  std::vector<Variant> all = {{"ours", session, take}};
  if (traced) all.push_back({"traced", session, traced});
  SessionOptions plain = options;
  plain.fused = false;
  if (options.fused) all.push_back({"twin", asked(setting, plain), take});
  return all;
}

Session fork_all(const Session& session) {
  std::vector<int64_t> rows(static_cast<size_t>(session.rows()));
  std::iota(rows.begin(), rows.end(), 0);
  return session.fork(rows);
}

// Milliseconds a step of `steps`, taken at once by a fork.
double step_ms(const Session& asked, const Steps& take, int64_t steps, at::Tensor* hidden_BD = nullptr) {
  Session session = fork_all(asked);
  take(session, kWarmUp);
  const double ms = milliseconds(session.model().device(), [&] { take(session, steps); });
  if (hidden_BD) *hidden_BD = session.hidden_BD();
  return ms / static_cast<double>(steps);
}

// The first values of the first row, for a program that does the same.
std::vector<float> first_values(const at::Tensor& hidden_BD) {
  const at::Tensor row_D = hidden_BD[0].to(at::kCPU, at::kFloat).contiguous();
  const float* values = row_D.const_data_ptr<float>();
  return {values, values + std::min(kCompared, row_D.numel())};
}

Benchmark step_benchmark(const std::string& name, const BenchSetting& setting, int64_t steps, const Steps& take,
                         const Steps& traced, Work (*work_of)(const ModelConfig&, const WorkShape&, int64_t, int64_t)) {
  const int64_t positions = setting.shape.question + kWarmUp + steps;
  const WorkShape shape = checked_shape(setting, positions);
  const Work work = work_of(setting.model->config(), shape, shape.question + kWarmUp + 1, steps);
  const MachineRates rates(setting.model->device(), setting.model->dtype());
  const auto last = std::make_shared<at::Tensor>();
  Benchmark out{.name = name, .subjects = rates.subjects(), .result = {}};
  for (const Variant& variant : variants(setting, {.rows = shape.rows, .capacity = positions}, take, traced)) {
    const bool ours = variant.subject == "ours";
    out.subjects.push_back(
        {variant.subject, [=] { return step_ms(*variant.session, variant.take, steps, ours ? last.get() : nullptr); }});
  }
  out.result = [=](const Timings& timings) {
    OrderedJson json = describe(setting, name);
    json["question"] = shape.question;
    json["steps"] = steps;
    put_times(json, timings, work, rates);
    json["steps_per_s"] = 1e3 * static_cast<double>(shape.rows) / median(timings, "ours");
    if (timings.contains("traced")) json["trace_overhead"] = median_ratio(timings, "traced", "ours") - 1;
    if (timings.contains("twin")) {
      json["twin_ms_median"] = median(timings, "twin");
      json["twin_ratio"] = median_ratio(timings, "twin", "ours");
    }
    json["hidden"] = first_values(*last);
    return json;
  };
  return out;
}

}  // namespace

Benchmark latent_step_benchmark(const BenchSetting& setting) {
  const auto think = [](bool keep_trace) {
    return [=](Session& session, int64_t n) { session.think({.max_steps = n, .keep_trace = keep_trace}); };
  };
  return step_benchmark("latent-step", setting, setting.shape.latents, think(false), think(true), thought_work);
}

Benchmark token_step_benchmark(const BenchSetting& setting) {
  const auto take = [](Session& session, int64_t n) { decode(session, {.max_tokens = n}); };
  return step_benchmark("token-step", setting, setting.shape.answer, take, /*traced=*/{}, token_work);
}

}  // namespace tacit
