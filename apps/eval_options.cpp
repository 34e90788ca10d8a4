#include "apps/eval_options.h"

#include <iostream>

#include "apps/known_names.h"
#include "latent/option_use.h"
#include "latent/train_method.h"
#include "lib/core/data_file.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"

namespace tacit {

void PromptFlags::add_shots(Options& options) {
  options.add("shots", "N", &shots, "solved examples before each question, drawn by --seed (default 0)", 0);
  options.add("shots-data", "FILE", &shots_data, "where they come from (default: the file of the benchmark)");
  options.choice("prompt", {"template", "plain"}, &style,
                 "the question in the task's template, or as it stands (default: as the checkpoint was trained)");
}

void PromptFlags::add(Options& options) {
  add_shots(options);
  options.flag("chat", &chat, "the checkpoint's chat template around the question");
  options.add("max-answer-tokens", "N", &max_answer_tokens, "tokens of an answer at most (default: the task's)", 1);
}

void PromptFlags::apply(TaskOptions& to) const {
  to.shots = shots;
  to.shots_data = shots_data;
  if (!style.empty()) to.prompt = style == "plain" ? PromptStyle::plain : PromptStyle::in_template;
  to.chat = chat;
  to.max_answer_tokens = max_answer_tokens;
}

void PromptFlags::check(const Options& options) const {
  if (shots == 0) options.reject_useless({"shots-data"}, "--shots");
  if (!shots_data.empty()) require_data_file(shots_data, "evaluate", "solved examples");
}

void EvalFlags::add(Options& options) {
  options.add("task", "NAME", &task,
              "what to solve: 'tacit data list', or a task file, NAME.json (default: the checkpoint's own)");
  options.add("data", "FILE", &data, "file of the benchmark; problems are generated without it");
  options.add("scorer", "NAME", &scorers,
              "in place of the task's; may repeat: the first says what is correct (docs/scoring.md)");
  options.add("count", "N", &count, "problems to generate (default 300)", 1);
  options.add("limit", "N", &limit, "only the first N problems (default 0 = all)", 0);
  options.add("limit-seed", "N", &limit_seed, "draw the problems of --limit by this seed instead of taking the first");
  options.choice(
      "too-long", {"error", "wrong"}, &too_long,
      "problems that need more positions than the model has: refuse them, or count them as wrong (default error)");
  options.add("repeats", "N", &repeats, "samples a problem, where something is drawn (default 1)", 1, 1 << 30);
  options.add("shuffle", "SEED", &shuffle, "solve in another order; results differ by rounding at most");
  options.add("latency-problems", "N", &latency_problems,
              "problems solved alone for the latency (default 50; 0 = none)", 0);
  options.add("intervention-seed", "N", &intervention_seed,
              "of an intervention's noise, partners and orders (default 0)");
  options.add("decode", "STRATEGY", &decode, kDecodeHelp);
  options.add("sample-seed", "N", &sample_seed, "of what --decode draws (default 0)");
  options.common(common, {"device", "dtype", "weights", "seed", "batch", "threads", "json", "config"});
  reach.add_text(options);
  reach.add_generator(options);
  prompt.add(options);
}

RunOptions EvalFlags::run_options(const Options& options, const MethodSettings& settings) const {
  RunOptions out;
  out.latents = common.latents;
  out.recurrences = common.recurrences;
  out.task = task;
  out.task_options = task_options_of(settings);
  out.task_options.data = data;
  out.task_options.seed = common.seed;
  out.task_options.count = count;
  prompt.apply(out.task_options);
  apply_problem_options(options, reach, settings, out.task_options, task.empty() ? settings.task : task);
  out.scorers = scorers;
  out.batch = common.batch;
  out.shuffle = shuffle;
  out.limit = limit;
  out.limit_seed = limit_seed;
  out.too_long = too_long == "wrong" ? TooLong::wrong : TooLong::refuse;
  out.repeats = repeats;
  out.latency_problems = latency_problems;
  if (decode) out.strategy = decode_option(*decode);
  out.seed = sample_seed;
  return out;
}

void EvalFlags::check(const Options& options) const {
  if (decode) decode_option(*decode);
  if (!decode) options.reject_useless({"sample-seed"}, "--decode");
  if (limit == 0) options.reject_useless({"limit-seed"}, "--limit");
  if (!task.empty()) check_task(options, task);
  prompt.check(options);
  check_scorers(options, scorers);
  if (data.empty()) {
    if (task.empty() || tacit::task(task).data.empty()) return;
    options.reject_given({"count"}, "task");
    ReachFlags::reject_generator(options, "task");
    return;
  }
  require_data_file(data, "evaluate", "data");
  options.reject_given({"count"}, "data");
  ReachFlags::reject_generator(options, "data");
}

void check_model_options(const Options& options, const CommonOptions& common, const LoadedModel& model) {
  const Method& how = method(common.method, model.settings);
  if (common.latents >= 0 && !how.counts_thoughts) {
    options.reject("expected no number of thoughts ('--latents') for method '" + how.name +
                   "', which takes none, but got " + std::to_string(common.latents));
  }
  if (common.recurrences > 0 && !model.model->config().depth.recurrent) {
    options.reject("expected no '--recurrences' for a model without recurrent depth but got " +
                   std::to_string(common.recurrences));
  }
  if (common.max_words >= 0 && !bind_method(model, how.name).in_words) {
    options.reject("expected a method that thinks in words beside '--max-words' but got '" + how.name + "'");
  }
  const Json given = parse_method_options(common.method_options);
  std::vector<std::string> known;
  for (const auto& [name, value] : how.options.items()) known.push_back(name);
  for (const auto& [name, value] : given.items()) {
    if (how.options.contains(name)) continue;
    options.reject("expected an option of method '" + how.name + "' for '--option' but got '" + name + "'" +
                   (known.empty() ? "; it has none" : did_you_mean(name, known)));
  }
  for (const std::string& name :
       unread_options(how, model.settings, model.tokenizer.get(), model.method_weights, given)) {
    options.reject("expected an option that answering reads for '--option' but got '" + name + "', which method '" +
                   how.name + "' does not read to answer");
  }
}

// Whether solving a problem again may give something else: by the strategy, the intervention or the method itself.
static bool draws(const RunOptions& run, const LoadedModel& model) {
  const Strategy& how = run.strategy;
  const bool noisy_tree = how.kind == StrategyKind::tree && how.tree.branch > 1 && how.tree.noise > 0 &&
                          how.tree.expand == ThoughtSearchOptions::Expand::noise;
  if (how.sampling.temperature > 0 || how.noise > 0 || noisy_tree) return true;
  if (run.intervention) {
    const InterventionKind kind = run.intervention->kind;
    const bool fixed = kind == InterventionKind::zero || kind == InterventionKind::mean ||
                       kind == InterventionKind::truncate || kind == InterventionKind::freeze;
    if (!fixed) return true;
  }
  const Method& method = tacit::method(run.method, model.settings);
  const Json own = model.settings.method == method.name ? model.settings.options : Json::object();
  Json all = method_options(method, own, "the checkpoint");
  all.update(run.options);
  if (!all.contains("seed")) return false;
  // What such methods draw by; a method of another kind that has a seed is taken to draw.
  if (all.contains("think_temperature")) return all["think_temperature"] > 0;
  if (all.contains("noise") && all["noise"].is_string()) return all["noise"] != "none";
  return !all.contains("spread") || all["spread"] > 0;
}

void check_repeats(const Options& options, const RunOptions& run, const LoadedModel& model) {
  if (run.repeats == 1 || draws(run, model)) return;
  options.reject(
      "expected a decoding that draws something beside '--repeats', such as '--decode sample' or '--decode "
      "noise:0.1': as it is, all " +
      std::to_string(run.repeats) + " repeats would be the same");
}

// The library's refusal as one of the command line.
template <class Parse>
static auto as_usage(Parse parse) {
  try {
    return parse();
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
}

Intervention intervention_option(const std::string& text, uint64_t seed) {
  return as_usage([&] { return parse_intervention(text, seed); });
}

HaltRule halt_option(const std::string& text) {
  return as_usage([&] { return parse_halt_rule(text); });
}

Strategy decode_option(const std::string& text) {
  return as_usage([&] { return parse_strategy(text); });
}

static ReachSource source_of(const Task& of, const TaskOptions& asked) {
  if (!data_of(of, asked).empty()) return of.renders_data ? ReachSource::prosqa : ReachSource::text;
  return of.generated && of.name != "reach" ? ReachSource::other : ReachSource::generator;
}

void apply_problem_options(const Options& options, const ReachFlags& flags, const MethodSettings& settings,
                           TaskOptions& to, const std::string& name) {
  const bool published_text = !name.empty() && tacit::task(name).renders_data && settings.style.empty();
  if (published_text) to.reach.style = ReachStyle::english;  // to a checkpoint that was trained on no other
  flags.apply(to.reach);
  if (name.empty()) return;  // which fails later
  const Task& of = tacit::task(name);
  flags.check_source(options, source_of(of, to), /*draws=*/to.shots > 0);
  const bool other = of.generated && name != "reach";
  to.generator = other ? flags.generator_options(name == settings.task ? settings.generator : Json()) : Json();
}

std::vector<std::string> unread_problem_options(const Options& options, const TaskOptions& asked,
                                                const std::string& name) {
  if (name.empty()) return {};  // which fails later
  return ReachFlags::unread(options, source_of(tacit::task(name), asked), asked.reach.style,
                            /*draws=*/asked.shots > 0);
}

void check_problem_options(const Options& options, const LoadedModel& model, const TaskOptions& asked,
                           const std::string& task) {
  for (const std::string& name : unread_problem_options(options, asked, task.empty() ? model.settings.task : task)) {
    options.reject_useless({name}, "'--style symbols': " + model.directory.string() + " is asked in English");
  }
}

std::optional<GraphOptions> trained_graphs(const std::filesystem::path& checkpoint, int64_t labels) {
  const std::filesystem::path recipe = checkpoint / "train.json";
  if (!std::filesystem::is_regular_file(recipe)) return {};
  const GraphOptions graph = train_config_from_json(read_json(recipe, "graphs"), recipe.string()).reach.graph;
  if (graph.max_nodes > labels) return {};
  return graph;
}

std::string use_trained_graphs(const Options& options, const LoadedModel& model, const std::string& task,
                               TaskOptions& to) {
  const std::string& name = task.empty() ? model.settings.task : task;
  if (name != "reach" || !to.data.empty() || to.reach.style != ReachStyle::symbols) return "";
  if (to.reach.labels >= to.reach.graph.max_nodes) return "";
  const bool given = options.given("labels");
  const std::string expected = "expected graphs of at most " + std::to_string(to.reach.labels) + " nodes, as many as " +
                               (given ? "'--labels' says" : "the checkpoint has labels") +
                               " ('--max-nodes'), but got up to " + std::to_string(to.reach.graph.max_nodes);
  for (const char* one : {"labels", "kind", "min-nodes", "max-nodes", "min-depth", "max-depth", "edges-per-node",
                          "acyclic", "balance-in-degree"}) {
    if (options.given(one)) options.reject(expected);
  }
  const std::optional<GraphOptions> graph = trained_graphs(model.directory, to.reach.labels);
  require(graph.has_value(), "graphs", expected, ", the default, and no train.json in ", model.directory.string(),
          " that says how it was trained");
  to.reach.graph = *graph;
  return "graphs as the checkpoint was trained on (train.json): " + std::to_string(graph->min_nodes) + " to " +
         std::to_string(graph->max_nodes) + " nodes, the target " + std::to_string(graph->min_depth) + " to " +
         std::to_string(graph->max_depth) + " edges away";
}

void note_on_stderr(const std::string& note) {
  if (!note.empty()) std::cerr << "tacit: " << note << "\n";
}

OrderedJson command_line(const std::string& command, const std::vector<std::string>& args) {
  OrderedJson out = {"tacit", command};
  for (const std::string& arg : args) out.push_back(valid_utf8(arg));
  return out;
}

}  // namespace tacit
