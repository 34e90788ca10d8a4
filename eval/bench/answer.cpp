#include "decoding/scheduler.h"
#include "eval/bench/setting.h"
#include "latent/method.h"

namespace tacit {

Benchmark answer_benchmark(const BenchSetting& setting) {
  MethodSettings settings;
  settings.method = "coconut";
  const Procedure procedure = bind_method(method("coconut"), settings, /*tokenizer=*/nullptr, setting.shape.latents);
  const TokenRows questions = bench_questions(setting);
  const ScheduleOptions options{.rows = setting.shape.rows, .solve = {.max_answer_tokens = setting.shape.answer}};
  const WorkShape shape = checked_shape(setting, positions_needed(procedure, setting.shape.question, options.solve));
  const Work work = answer_work(setting.model->config(), shape);
  const MachineRates rates(setting.model->device(), setting.model->dtype());
  struct Seen {
    std::vector<std::vector<int64_t>> answers;
    std::vector<double> prefill, think, answer;
  };
  const auto seen = std::make_shared<Seen>();
  Benchmark out{.name = "eval", .subjects = rates.subjects(), .result = {}};
  out.subjects.push_back({"ours", [=] {
                            PhaseTimes sum;
                            seen->answers.assign(questions.size(), {});
                            solve_all(setting.model, procedure, questions, options,
                                      [&](int64_t i, const Solution& one) {
                                        sum.prefill += one.ms.prefill;
                                        sum.think += one.ms.think;
                                        sum.answer += one.ms.answer;
                                        seen->answers[i] = one.answers[0].tokens;
                                        return true;
                                      });
                            seen->prefill.push_back(sum.prefill);
                            seen->think.push_back(sum.think);
                            seen->answer.push_back(sum.answer);
                            return sum.total();
                          }});
  out.result = [=](const Timings& timings) {
    const Timings phases = {{"prefill", seen->prefill}, {"think", seen->think}, {"answer", seen->answer}};
    OrderedJson json = describe(setting, "eval");
    json["question"] = shape.question;
    json["latents"] = shape.latents;
    json["answer"] = shape.answer;
    put_times(json, timings, work, rates);
    json["problems_per_s"] = 1e3 * static_cast<double>(shape.rows) / median(timings, "ours");
    for (const auto& [phase, ms] : phases) json["ms_" + phase] = median(phases, phase);
    json["answers"] = seen->answers;
    return json;
  };
  return out;
}

}  // namespace tacit
