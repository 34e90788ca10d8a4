#include "apps/verbaliser.h"

#include <charconv>

#include "eval/prompts.h"
#include "latent/thought_decoder.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

constexpr int64_t kBankProblems = 500;

Verbaliser nearest_of(const Options& options, const LoadedModel& model, const Procedure& procedure,
                      const std::string& task, TaskOptions of, const std::filesystem::path& bank) {
  if (task.empty() || (bank.empty() && (!of.data.empty() || !tacit::task(task).generated)))
    options.reject("expected solved problems for 'nearest', of a generated task or of '--bank FILE'");
  of.data = bank;
  of.seed += 1;
  of.count = kBankProblems;
  std::vector<WrittenSteps> problems;
  const std::vector<Example> examples = load_examples(tacit::task(task), of, kBankProblems);
  const std::vector<std::string> prompts = render_prompts(tacit::task(task), examples, of);
  for (size_t i = 0; i < examples.size(); ++i) {
    WrittenSteps problem{.prompt = model.tokenizer->encode(prompts[i])};
    problem.prompt.insert(problem.prompt.end(), procedure.prompt_suffix.begin(), procedure.prompt_suffix.end());
    for (const std::string& step : examples[i].steps) problem.steps.push_back(model.tokenizer->encode(step));
    problems.push_back(std::move(problem));
  }
  return verbaliser::nearest(model.tokenizer, step_bank(model.model, problems));
}

}  // namespace

Verbaliser verbaliser_option(const Options& options, const std::string& text, const LoadedModel& model,
                             const Procedure& procedure, const std::string& task, TaskOptions of,
                             const std::filesystem::path& bank) {
  if (text != "nearest") options.reject_useless({"bank"}, "'nearest'");
  if (text == "nearest") return nearest_of(options, model, procedure, task, std::move(of), bank);
  if (text == "decoder") {
    StopTokens end;
    const std::string& marker = model.settings.markers.end;
    if (!marker.empty()) end = model.tokenizer->require_id(marker, "verbalise");
    return verbaliser::decoder(thought_decoder(model.model->config(), model.method_weights), model.tokenizer,
                               /*max_tokens=*/32, end);
  }
  int64_t words = text == "lens" ? 1 : 0;
  const std::string prefix = "lens:";
  if (text.starts_with(prefix)) {
    const auto [end, error] = std::from_chars(text.data() + prefix.size(), text.data() + text.size(), words);
    if (error != std::errc() || end != text.data() + text.size()) words = 0;
  }
  if (words < 1 || words > model.model->config().vocab_size)
    options.reject("expected lens, lens:N, nearest or decoder but got '" + text + "'");
  return verbaliser::lens(model.model, model.tokenizer, words);
}

}  // namespace tacit
