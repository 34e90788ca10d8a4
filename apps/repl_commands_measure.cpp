#include <algorithm>

#include "apps/counted.h"
#include "apps/interrupt.h"
#include "apps/render_table.h"
#include "apps/repl_command.h"
#include "apps/thought_readout.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

namespace fs = std::filesystem;
using Arguments = Repl::Arguments;
using Rows = std::vector<std::vector<std::string>>;

struct Contestant {
  std::string name;
  Thinker thinker;
};

bool is_model(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "config.json", ignored);
}

// A method of a side, a folder, or a checkpoint of the models' folder, in this order of how it is spelled: SIDE:METHOD,
// a folder's name, else a method on the checkpoint of the side of thoughts.
Contestant contestant(Repl& repl, const std::string& name) {
  for (const std::string side_name : {"words", "thoughts"}) {
    if (!name.starts_with(side_name + ":")) continue;
    const Thinker& side = repl.side(side_name, "");
    const std::string method = name.substr(side_name.size() + 1);
    require(!method.empty(), "repl", "expected a METHOD behind the side, as in ", name, "direct, but got '", name, "'");
    require_method(side.loaded, method, "name one behind the side, as in " + side_name + ":cot");
    return {name, repl.thinker(LoadedModel(side.loaded), method, repl.latents_for(side.loaded, method))};
  }
  for (const fs::path& folder : {repl.settings.models / name, fs::path(name)}) {
    if (!is_model(folder)) continue;
    const LoadedModel& loaded = repl.loaded(folder);
    require_method(loaded, "latent", "open it as a side, /model words DIR METHOD, and compare words:METHOD");
    return {name, repl.thinker(LoadedModel(loaded), "latent", repl.latents_for(loaded, "latent"))};
  }
  std::vector<std::string> known = method_names();
  require(std::ranges::count(known, name) > 0, "repl",
          "expected a folder of a model, a method or SIDE:METHOD but got '", name, "'", did_you_mean(name, known));
  const LoadedModel& loaded = repl.thoughts.loaded;
  return {name, repl.thinker(LoadedModel(loaded), name, repl.latents_for(loaded, name))};
}

// All of the models' folder that can be asked what the side of thoughts can.
std::vector<std::string> comparable_models(const Repl& repl) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(repl.settings.models, ignored)) {
    if (!is_model(entry.path())) continue;
    const Json config = read_json(entry.path() / "config.json", "repl");
    if (!config.is_object() || !config.contains("tacit")) continue;
    const MethodSettings of = read_method_settings(config, entry.path().string());
    const MethodSettings& own = repl.thoughts.loaded.settings;
    // What is trained on walks alone answers nothing.
    if (!of.method.empty() && of.task == own.task && of.style == own.style && of.labels >= own.labels &&
        method(of.method, of).procedure)
      names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

// What it thought, in a line: its words, or the likeliest word of each thought.
std::string gist(const Reply& reply) {
  if (!reply.words.empty()) return printable(join_words(reply.words));
  std::vector<std::string> words;
  for (const WordShares& thought : reply.grid.thoughts)
    words.push_back(thought.empty() ? "?" : printable(thought[0].first));
  return join_words(words);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// Milliseconds by contestant, who take turns. All have answered before: a first pass also packs the weights.
std::vector<double> warm_ms(const Repl& repl, const std::vector<Contestant>& all) {
  constexpr int64_t kPasses = 3;
  constexpr double kLongMs = 1000;  // what takes longer hardly differs from pass to pass, and is waited for
  std::vector<std::vector<double>> ms(all.size());
  for (int64_t pass = 0; pass < kPasses; ++pass) {
    for (size_t i = 0; i < all.size(); ++i) {
      if (pass > 0 && ms[i][0] > kLongMs) continue;
      if (interrupted()) throw Interrupted("compare", "stopped");
      ms[i].push_back(ask(all[i].thinker, repl.question.text, {.rule = repl.question.rule}).ms);
    }
  }
  std::vector<double> out;
  for (const std::vector<double>& one : ms) out.push_back(median(one));
  return out;
}

void compare_thinkers(Repl& repl, const Arguments& args) {
  repl.require_question();
  const Arguments names = args.empty() ? comparable_models(repl) : args;
  require(!names.empty(), "repl", "expected folders or methods behind /compare: ",
          repl.settings.models.empty()
              ? "the embedded models were not found (--models)"
              : "no model in " + repl.settings.models.string() + " was trained for questions like these (task '" +
                    repl.thoughts.loaded.settings.task + "')");
  std::vector<Contestant> all;
  for (const std::string& name : names) all.push_back(contestant(repl, name));
  const RenderOptions options = repl.render_options();
  const Asked asked = repl.question.asked();
  std::vector<Reply> replies;
  for (const Contestant& one : all) replies.push_back(repl.answer(one.name, one.thinker, repl.question));
  const std::vector<double> ms = warm_ms(repl, all);
  Rows rows;
  for (size_t i = 0; i < all.size(); ++i) {
    const Reply& reply = replies[i];
    constexpr int64_t kMostAnswer = 24;  // columns: what is right stands behind it
    std::string answer = reply.answer.empty() ? "(none)" : clip(printable(reply.answer), kMostAnswer);
    if (const std::optional<bool> right = is_right(reply, asked))
      answer = paint(answer + (*right ? " ✓" : " ✗"), *right ? Tone::good : Tone::bad, options.colour);
    rows.push_back({printable(all[i].name), reply.method, steps_text(reply), answer, fixed(ms[i], 1), gist(reply)});
  }
  repl.print(table_lines({{"model"}, {"method"}, {"steps"}, {"answer"}, {"ms", true}, {"thought, likeliest first"}},
                         rows, options, {.least_last = 16, .wrap = options.width < 60}));
  repl.print(wrap_text(
      "ms: median of three passes after an untimed one, the models in turn; of one where it takes over a second",
      options.width));
}

void bench(Repl& repl, const Arguments& args) {
  repl.require_question();
  const int64_t rounds = args.empty() ? 10 : parse_count(args[0], "a number of rounds", 1, 100000);
  const std::array<std::pair<std::string, const Thinker*>, 2> sides = {
      {{"words", &repl.words}, {"thoughts", &repl.thoughts}}};
  std::array<std::vector<double>, 2> prompt, thinking, answer;
  std::array<Reply, 2> last;
  for (int64_t round = -1; round < rounds; ++round) {  // the first warms up; then the sides take turns
    for (size_t s = 0; s < sides.size(); ++s) {
      if (interrupted()) throw Interrupted("bench", "stopped");
      last[s] = ask(*sides[s].second, repl.question.text, {.rule = repl.question.rule});
      if (round < 0) continue;
      prompt[s].push_back(last[s].phases.prefill);
      thinking[s].push_back(last[s].phases.think);
      answer[s].push_back(last[s].phases.answer);
    }
  }
  Rows rows;
  for (size_t s = 0; s < sides.size(); ++s) {
    const double a = median(prompt[s]), b = median(thinking[s]), c = median(answer[s]), total = a + b + c;
    const auto share = [&](double ms) {
      return fixed(ms, 2) + " (" + fixed(total > 0 ? 100 * ms / total : 0, 0) + " %)";
    };
    const int64_t steps = last[s].steps;
    rows.push_back({sides[s].first, steps_text(last[s]), steps > 0 ? fixed(b / static_cast<double>(steps), 3) : "–",
                    share(a), share(b), share(c), fixed(total, 2)});
  }
  const RenderOptions options = repl.render_options();
  repl.print(table_lines({{"side"},
                          {"steps"},
                          {"ms a step", true},
                          {"prompt ms", true},
                          {"thinking ms", true},
                          {"answer ms", true},
                          {"all ms", true}},
                         rows, options, {.least_last = 8, .wrap = true}));
  repl.print(wrap_text("medians of " + counted(rounds, "round") +
                           " on this question, the sides in turn; in brackets the share of the side's time",
                       options.width));
}

std::vector<std::string> complete_compare(const Repl& repl, const Arguments&, const std::string& word) {
  std::vector<std::string> choices = comparable_models(repl);
  for (const std::string& method : method_names()) {
    choices.push_back(method);
    choices.push_back("words:" + method);
    choices.push_back("thoughts:" + method);
  }
  if (!word.empty()) std::ranges::move(file_choices(word), std::back_inserter(choices));
  std::ranges::sort(choices);
  choices.erase(std::unique(choices.begin(), choices.end()), choices.end());
  return choices;
}

}  // namespace

std::vector<ReplCommand> repl_measure_commands() {
  return {
      {"/compare",
       "[NAME..]",
       "the current question to several models or methods, in a table",
       {"NAME is a folder, one of the embedded models, a method for the checkpoint of the side of thoughts, or",
        "SIDE:METHOD (words:direct). Without any: all embedded models of the task. A number set with /latents holds "
        "for",
        "all whose method has a number of thoughts. ms is the median of three passes after one that is not timed."},
       0,
       1000,
       compare_thinkers,
       complete_compare,
       /*paths=*/true},
      {"/bench",
       "[ROUNDS]",
       "what a thought and a word cost here, in milliseconds",
       {"Medians of 10 rounds, or of ROUNDS. Thoughts are taken one by one, as in a reply."},
       0,
       1,
       bench},
  };
}

}  // namespace tacit
