#include <cstdio>
#include <iostream>
#include <utility>

#include "apps/commands.h"
#include "apps/eval_options.h"
#include "apps/known_names.h"
#include "apps/progress_bar.h"
#include "apps/runtime.h"
#include "apps/verbaliser.h"
#include "decoding/faithfulness.h"
#include "eval/prompts.h"
#include "eval/statistics.h"
#include "lib/core/error.h"
#include "lib/model/arithmetic.h"

namespace tacit {
namespace {

struct Share {
  const char* name;
  const char* meaning;
  double share = 0;
  Interval interval;
};

std::vector<Share> shares_of(const std::vector<FaithfulnessRow>& rows) {
  const auto share = [&](const char* name, const char* meaning, bool FaithfulnessRow::*what) {
    std::vector<double> items;
    double sum = 0;
    for (const FaithfulnessRow& row : rows) items.push_back(row.*what), sum += row.*what;
    return Share{name, meaning, sum / static_cast<double>(items.size()), share_interval(items)};
  };
  return {share("unchanged", "the own thoughts fed again", &FaithfulnessRow::unchanged),
          share("verbalised", "what is said of them in their place", &FaithfulnessRow::verbalised),
          share("other", "what is said of another problem's", &FaithfulnessRow::other),
          share("none", "no thoughts", &FaithfulnessRow::none)};
}

// Mean of (stays when verbalised) - (stays with another problem's), problem by problem.
Share faithfulness_of(const std::vector<FaithfulnessRow>& rows) {
  std::vector<double> items;
  double sum = 0;
  for (const FaithfulnessRow& row : rows) {
    items.push_back(static_cast<double>(row.verbalised) - static_cast<double>(row.other));
    sum += items.back();
  }
  return {"faithfulness", "verbalised - other", sum / static_cast<double>(items.size()), bootstrap_mean(items)};
}

OrderedJson to_json(const Share& share) {
  return {{"value", share.share}, {"low", share.interval.low}, {"high", share.interval.high}};
}

void print(const Share& share) {
  std::printf("%-13s %6.1f  (%.1f to %.1f)  %s\n", share.name, 100 * share.share, 100 * share.interval.low,
              100 * share.interval.high, share.meaning);
}

int run_verbalise(const std::vector<std::string>& args) {
  CommonOptions common;
  std::string by = "lens", task_name, as = "vector";
  std::filesystem::path data, bank;
  int64_t count = 100, shown = 1;
  uint64_t partner_seed = 0;
  ReachFlags flags;
  Options options("verbalise",
                  "Thoughts in words, and whether the words hold what the thoughts do: the share of answers that stay "
                  "when all thoughts of a problem are swapped for their texts, beside controls.",
                  "tacit verbalise --model models/frontier --task reach --by lens:4 --count 20 --seed 1");
  options.common(common, {"model", "method", "latents"});
  options.add("by", "HOW", &by, kVerbaliseHelp);
  options.choice("as", {"vector", "words"}, &as,
                 "what is fed in a thought's place: the text as one vector where it has one (default), or its tokens");
  options.add("task", "NAME", &task_name, "what to solve (default: the checkpoint's own)");
  options.add("data", "FILE", &data, "file of the task; problems are generated without it");
  options.add("bank", "FILE", &bank, "solved problems for 'nearest'; others of the task are generated without it");
  options.add("count", "N", &count, "problems (default 100)", 2);
  options.add("show", "N", &shown, "problems whose texts are shown (default 1)", 0);
  options.add("partner-seed", "N", &partner_seed, "of whose texts take whose place (default 0)");
  options.common(common, {"device", "dtype", "weights", "seed", "threads", "json", "config"});
  flags.add_text(options);
  flags.add_generator(options);
  if (!options.parse(args)) return kDone;
  options.require_option("model");
  check_method(options, common.method);
  if (!task_name.empty()) check_task(options, task_name);
  if (!data.empty()) ReachFlags::reject_generator(options, "data");
  use_threads(common.threads);

  const LoadedModel model = open_model(common.model, load_options(common));
  require_tokenizer(model);
  check_model_options(options, common, model);
  const MethodSettings& settings = model.settings;
  if (task_name.empty()) task_name = settings.task;
  if (task_name.empty()) options.reject("expected '--task': the checkpoint names none");
  TaskOptions of = task_options_of(settings);
  of.data = data;
  of.seed = common.seed;
  of.count = count;
  apply_problem_options(options, flags, settings, of, task_name);
  check_problem_options(options, model, of, task_name);
  note_on_stderr(use_trained_graphs(options, model, task_name, of));
  const Procedure procedure = bind_method(model, common.method, common.latents);
  const Verbaliser verbaliser = verbaliser_option(options, by, model, procedure, task_name, of, bank);

  const std::vector<Example> examples = load_examples(task(task_name), of, count);
  TokenRows prompts;
  for (const std::string& text : render_prompts(task(task_name), examples, of))
    prompts.push_back(model.tokenizer->encode(text));
  FaithfulnessOptions how{
      .max_answer_tokens = answer_tokens(task(task_name), examples), .as_words = as == "words", .seed = partner_seed};
  const ProgressCallback bar = progress_bar();
  const auto rows = faithfulness(model.model, procedure, prompts, verbaliser, how, [&](int64_t done) {
    if (bar && !bar({"verbalise " + task_name, done, std::ssize(prompts), ""}))
      throw Interrupted("verbalise", "stopped after " + std::to_string(done) + " problems");
    return true;
  });

  const std::vector<Share> shares = shares_of(rows);
  const Share faithful = faithfulness_of(rows);
  shown = std::min(shown, std::ssize(rows));
  if (common.json) {
    OrderedJson json = {{"by", verbaliser.name}, {"as", as}, {"problems", rows.size()}};
    json.update(arithmetic_json(*model.model));
    for (const Share& share : shares) json["stays"][share.name] = to_json(share);
    json[faithful.name] = to_json(faithful);
    for (int64_t i = 0; i < shown; ++i) {
      OrderedJson said = OrderedJson::array();
      for (const Verbalised& v : rows[i].said) said.push_back({{"text", valid_utf8(v.text)}, {"score", v.score}});
      json["examples"].push_back({{"id", examples[i].id}, {"said", said}});
    }
    std::cout << dump(json, 2) << "\n";
    return kDone;
  }
  for (int64_t i = 0; i < shown; ++i) {
    std::printf("%s\n", valid_utf8(examples[i].question).c_str());
    for (size_t k = 0; k < rows[i].said.size(); ++k)
      std::printf("thought %zu  %s  %.2f\n", k + 1, dump(OrderedJson(valid_utf8(rows[i].said[k].text))).c_str(),
                  rows[i].said[k].score);
    std::printf("\n");
  }
  std::printf("%zu problems; answers that stay, %%, when thoughts are swapped for\n", rows.size());
  for (const Share& share : shares) print(share);
  print(faithful);
  return kDone;
}

}  // namespace

Command verbalise_command() {
  return {"verbalise", "thoughts in words, and whether the words hold them", run_verbalise};
}

}  // namespace tacit
