#include <cstdio>
#include <iostream>

#include "apps/commands.h"
#include "apps/eval_options.h"
#include "apps/interrupt.h"
#include "apps/known_names.h"
#include "apps/reply.h"
#include "apps/runtime.h"
#include "apps/terminal.h"
#include "apps/thought_readout.h"
#include "apps/verbaliser.h"
#include "eval/prompts.h"
#include "eval/task.h"
#include "lib/core/error.h"
#include "lib/model/arithmetic.h"

namespace tacit {
namespace {

struct Question {
  std::string id;  // of the example; "" = typed
  std::string text;
  std::string expected;  // "" when unknown
  AnswerRule rule = {};  // of the example's task
};

Question question_of_task(const std::string& name, const TaskOptions& options, int64_t index) {
  if (name == "reach" && options.data.empty()) {
    const Example example = reach_example(options.reach, options.seed, index);
    return {example.id, example.question, example.answer, answer_rule(task(name), example, options)};
  }
  TaskOptions enough = options;  // generated tasks have no end
  enough.count = index + 1;
  const std::vector<Example> examples = load_examples(task(name), enough);
  require(index < std::ssize(examples), "run", "expected an index below ", examples.size(), " but got ", index,
          " in task '", name, "'");
  const Task asked = task(name);
  const Example& example = examples[index];
  return {example.id, render_prompts(asked, {example}, options)[0], example.answer,
          answer_rule(asked, example, options)};
}

OrderedJson to_json(const Thinker& thinker, const Question& question, const Reply& reply) {
  OrderedJson thoughts = OrderedJson::array();
  for (const WordShares& shares : reply.grid.thoughts) {
    OrderedJson words = OrderedJson::array();
    for (size_t i = 0; i < shares.size() && i < 10; ++i) words.push_back({shares[i].first, shares[i].second});
    thoughts.push_back(words);
  }
  OrderedJson out = {{"question", question.text}, {"method", thinker.method}, {"steps", reply.steps}};
  out.update(arithmetic_json(*thinker.loaded.model));
  if (!reply.words.empty()) out["words"] = reply.words;
  if (!thoughts.empty()) out["thoughts"] = thoughts;
  for (const Verbalised& said : reply.said)
    out["said"].push_back({{"text", valid_utf8(said.text)}, {"score", said.score}});
  out["answer"] = reply.answer;
  if (reply.samples > 1) {
    out["samples"] = reply.samples;
    out["all_steps"] = reply.all_steps;
    for (const AnswerVotes& counted : reply.votes)
      out["votes"].push_back({{"answer", counted.answer}, {"votes", counted.votes}});
  }
  if (!question.expected.empty()) out["expected"] = question.expected;
  const std::optional<bool> right = is_right(reply, {nullptr, question.expected});
  out["correct"] = right ? OrderedJson(*right) : OrderedJson();
  out["ms"] = reply.ms;
  return out;
}

// The likeliest tokens of every thought, for questions that have no nodes to draw.
void print_readouts(const std::vector<WordShares>& thoughts, const RenderOptions& options) {
  constexpr size_t kShown = 5;
  for (size_t k = 0; k < thoughts.size(); ++k) {
    std::string line = "thought " + std::to_string(k + 1) + " ";
    for (size_t i = 0; i < thoughts[k].size() && i < kShown; ++i) {
      char share[16];
      std::snprintf(share, sizeof share, " %.2f", thoughts[k][i].second);
      line += "  " + dump(OrderedJson(thoughts[k][i].first)) + share;
    }
    std::cout << clip(line, options.width) << "\n";
  }
}

// "votes of 8 samples: 4 × 5, 9 × 2, no answer × 1", most first.
std::string votes_text(const Reply& reply) {
  std::string out;
  int64_t silent = reply.samples;
  for (const AnswerVotes& counted : reply.votes) {
    out += (out.empty() ? "" : ", ") + printable(counted.answer) + " × " + std::to_string(counted.votes);
    silent -= counted.votes;
  }
  if (silent > 0) out += (out.empty() ? "" : ", ") + std::string("no answer × ") + std::to_string(silent);
  return "votes of " + std::to_string(reply.samples) + " samples: " + out;
}

void print_reply(const Thinker& thinker, const Question& question, const Reply& reply) {
  const RenderOptions options{output_width(), output_has_colour()};
  std::optional<GraphQuestion> graph;
  if (asks_about_graphs(thinker)) graph = parse_graph_question(question.text, "run");
  auto print = [](const Lines& lines) {
    for (const std::string& line : lines) std::cout << line << "\n";
    if (!lines.empty()) std::cout << "\n";
  };
  if (graph) {
    print(graph_picture(*graph, options));
    if (!reply.grid.thoughts.empty()) print(thought_bars(shown_grid(reply, &*graph), options));
  } else {
    print(printable_lines(question.text));
    print_readouts(reply.grid.thoughts, options);
  }
  for (size_t k = 0; k < reply.said.size(); ++k) {
    char score[16];
    std::snprintf(score, sizeof score, "  %.2f", reply.said[k].score);
    std::cout << "thought " << k + 1 << "  " << dump(OrderedJson(valid_utf8(reply.said[k].text))) << score << "\n";
  }
  if (!reply.said.empty()) std::cout << "\n";
  if (!reply.words.empty()) print(word_chain(shown_words(reply), graph && reply.in_words ? &*graph : nullptr, options));
  const std::string& expected = question.expected;
  if (graph && graph->answer() < 0) {
    const bool both = graph->distance[graph->candidates[0]] >= 0;
    print({std::string("no one answer is right: ") +
           (both ? "both candidates can be reached" : "neither candidate can be reached")});
  }
  std::string verdict = "answer " + (reply.answer.empty() ? "(none)" : printable(reply.answer));
  const std::optional<bool> right = is_right(reply, {nullptr, expected});
  if (right && *right) {
    verdict += "  right";
  } else if (!expected.empty()) {
    verdict += (right ? "  wrong, it is " : "  not judged, it is ") + printable(expected);
  }
  std::cout << paint(verdict, !right ? Tone::bold : *right ? Tone::good : Tone::bad, options.colour) << "\n";
  const bool voted = thinker.strategy.kind == StrategyKind::vote;
  if (voted && reply.samples > 1) std::cout << votes_text(reply) << "\n";
  char ms[32];
  std::snprintf(ms, sizeof ms, "%.1f ms", reply.ms);
  std::cout << thinker.method << ", " << steps_text(reply);
  if (reply.samples > 1) {
    const bool answered = voted && !reply.votes.empty();
    std::cout << " of the "
              << (answered ? "first sample that gave the answer"
                  : voted  ? "first sample"
                           : "best sample")
              << ", " << reply.all_steps << " of all " << reply.samples;
  }
  std::cout << ", " << ms << arithmetic_remark(arithmetic_json(*thinker.loaded.model)) << "\n";
}

int run_run(const std::vector<std::string>& args) {
  CommonOptions common;
  std::optional<std::string> question, task_name;
  std::optional<std::string> halt, decode, verbalise;
  uint64_t sample_seed = 0;
  std::filesystem::path data, bank;
  int64_t index = 0;
  ReachFlags flags;
  Options options("run", "One question, answered; its thoughts are shown.",
                  "tacit run --model models/frontier --task reach --seed 1 --index 4\n"
                  "tacit run --model models/frontier --question \"3 5 | 5 8 | 2 9 | [Q] 8 9 [R] 3\"");
  options.common(common, {"model"});
  options.add("question", "TEXT", &question, "the question, in the words the checkpoint knows");
  options.add("task", "NAME", &task_name, "or an example of this task (default: the checkpoint's own)");
  options.add("data", "FILE", &data, "file of the task; generated without it");
  options.add("index", "I", &index, "which example, from 0 (default 0)", 0);
  options.add(
      "halt", "RULE", &halt,
      "when to stop thinking, at most after --latents: fixed, entropy:NATS, convergence:SHARE, flops:N or learned "
      "(default: the method's own)");
  options.add("decode", "STRATEGY", &decode, kDecodeHelp);
  options.add("sample-seed", "N", &sample_seed, "of what --decode draws (default 0)");
  options.add("verbalise", "HOW", &verbalise, kVerbaliseHelp);
  options.add("bank", "FILE", &bank, "solved problems for '--verbalise nearest'; generated without it");
  options.common(common, {"method", "option", "latents", "recurrences", "words", "device", "dtype", "weights", "seed",
                          "threads", "json", "config"});
  flags.add_text(options);
  flags.add_generator(options);
  if (!options.parse(args)) return kDone;
  options.require_option("model");
  check_method(options, common.method);
  if (task_name) check_task(options, *task_name);
  if (question && task_name) options.reject("expected either '--question' or '--task'");
  if (question && split_words(*question).empty())
    options.reject("expected a question for '--question' but it is empty");
  if (question) {
    options.reject_given({"data", "index", "seed", "style", "labels"}, "question");
    ReachFlags::reject_generator(options, "question");
  }
  if (!data.empty()) ReachFlags::reject_generator(options, "data");
  std::optional<HaltRule> rule;
  if (halt) rule = halt_option(*halt);
  if (rule && rule->kind == HaltRule::Kind::oracle) options.reject("expected '--halt oracle' only in an evaluation");
  Strategy strategy;
  if (decode) strategy = decode_option(*decode);
  if (!decode) options.reject_useless({"sample-seed"}, "--decode");
  if (!verbalise) options.reject_useless({"bank"}, "--verbalise");
  use_threads(common.threads);

  LoadedModel model = open_checkpoint(common.model, common);
  check_model_options(options, common, model);
  Thinker thinker = make_thinker(std::move(model), common.method, common.latents, common.recurrences,
                                 parse_method_options(common.method_options));
  if (rule) {
    require(thinker.procedure.max_thoughts() > 0, "halt", "expected a method that takes thoughts but got '",
            thinker.procedure.method, "' with none");
    thinker.procedure = with_halt(thinker.procedure, *rule, thinker.loaded.model->config(), common.recurrences,
                                  thinker.loaded.method_weights);
  }
  require_strategy(strategy, thinker.loaded.model->config(), thinker.procedure);
  thinker.strategy = strategy;
  thinker.sample_seed = sample_seed;
  const MethodSettings& settings = thinker.loaded.settings;
  if (!question && !task_name) {
    if (settings.task.empty()) options.reject("expected either '--question' or '--task'");
    task_name = settings.task;
  }
  Question asked;
  if (question) {
    asked.text = *question;
  } else {
    TaskOptions of = task_options_of(settings);
    of.data = data;
    of.seed = common.seed;
    apply_problem_options(options, flags, settings, of, *task_name);
    check_problem_options(options, thinker.loaded, of, *task_name);
    note_on_stderr(use_trained_graphs(options, thinker.loaded, *task_name, of));
    if (asks_about_graphs(thinker) && of.reach.style != ReachStyle::symbols)
      options.reject("expected '--style symbols', which the checkpoint was trained on, but got 'english'");
    require_votes(task(*task_name).scorers.at(0), strategy, thinker.procedure);
    asked = question_of_task(*task_name, of, index);
    encode_question(thinker.loaded, asked.id, asked.text, "run");  // before a graph is looked for in it
  }
  if (verbalise) {
    const std::string named = task_name.value_or(settings.task);
    TaskOptions of = task_options_of(settings);
    of.data = data;
    if (!named.empty()) {
      apply_problem_options(options, flags, settings, of, named);
      if (question && *verbalise == "nearest" && bank.empty())
        note_on_stderr(use_trained_graphs(options, thinker.loaded, named, of));
      else if (!question)
        use_trained_graphs(options, thinker.loaded, named, of);  // told above
    }
    thinker.verbaliser =
        verbaliser_option(options, *verbalise, thinker.loaded, thinker.procedure, named, std::move(of), bank);
  }
  if (asks_about_graphs(thinker)) {  // refused before the model thinks
    const GraphQuestion graph = parse_graph_question(asked.text, "run");
    if (asked.expected.empty() && graph.answer() >= 0) asked.expected = graph.words[graph.answer()];
  }
  clear_interrupt();
  const Reply reply = ask(thinker, asked.text, {.id = index, .rule = asked.rule});
  if (common.json) {
    std::cout << dump(to_json(thinker, asked, reply), 2) << "\n";
  } else {
    print_reply(thinker, asked, reply);
  }
  return kDone;
}

}  // namespace

Command run_command() { return {"run", "one question, answered; thoughts shown", run_run}; }

}  // namespace tacit
