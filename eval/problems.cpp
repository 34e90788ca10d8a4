#include "eval/problems.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "decoding/choice.h"
#include "decoding/drawn_thoughts.h"
#include "decoding/readout.h"
#include "decoding/scheduler.h"
#include "eval/flops.h"
#include "eval/prompts.h"
#include "eval/rescore.h"
#include "eval/scorers/scorers.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

constexpr int64_t kReadoutEntries = 4;

double rounded_ms(double ms) { return std::round(ms * 1000) / 1000; }

Task chosen_task(const LoadedModel& model, const RunOptions& options) {
  const std::string& name = options.task.empty() ? model.settings.task : options.task;
  require(!name.empty(), "evaluate", "expected the name of a task: the checkpoint ", model_name(model.directory),
          " names none");
  Task out = task(name);
  if (!options.scorers.empty()) out.scorers.clear();
  for (const std::string& scorer_name : options.scorers) {
    out.scorers.push_back(stopping_at(scorer(scorer_name), out.stop));
  }
  return out;
}

// " Tom" -> "Tom"; what is nothing but white space keeps the vocabulary's own spelling.
std::string token_word(const Tokenizer& tokenizer, int64_t id) {
  const std::string text = tokenizer.decode(std::vector{id});
  const char* space = " \t\r\n";
  const size_t begin = text.find_first_not_of(space);
  return begin == text.npos ? tokenizer.token(id) : text.substr(begin, text.find_last_not_of(space) + 1 - begin);
}

bool oracle(const RunOptions& options) { return options.halt && options.halt->kind == HaltRule::Kind::oracle; }

// Refuses what would feed back what is fed anyway and be taken for a finding.
void require_effect(const Intervention& what, const Procedure& procedure) {
  const bool enough = procedure.max_thoughts() >= least_thoughts(what);
  if (what.kind == InterventionKind::permute) {
    require(enough, "intervene",
            "expected a method that takes at least 2 thoughts, which have another order, for 'permute' but got '",
            procedure.method, "' with ", procedure.max_thoughts());
    return;
  }
  require(enough, "intervene", "expected fewer thoughts than the ", procedure.max_thoughts(), " that '",
          procedure.method, "' takes at most, beyond which nothing changes, for '", to_text(what), "'");
  require(what.kind != InterventionKind::perturb || what.size > 0, "intervene",
          "expected noise of a size above 0, which changes something, but got '", to_text(what), "'");
}

std::optional<int64_t> depth_of(const Example& example) {
  if (!example.meta.is_object()) return {};
  const auto depth = example.meta.find("depth");
  if (depth == example.meta.end() || !depth->is_number_integer()) return {};
  return depth->get<int64_t>();
}

}  // namespace

Problems::Problems(const LoadedModel& model, const RunOptions& options)
    : model_(model), options_(options), task_(chosen_task(model, options)) {
  require_tokenizer(model);
  require_recurrences(model.model->config(), options.recurrences, "evaluate");
  procedure_ = bind_method(model, options.method, options.latents, options.options);
  if (options.seed != 0 && procedure_.options.contains("seed")) {
    Json drawn = options.options;
    drawn["seed"] = procedure_.options.at("seed").get<uint64_t>() + options.seed;
    procedure_ = bind_method(model, options.method, options.latents, drawn);
  }
  require(!options.halt || procedure_.max_thoughts() > 0, "halt", "expected a method that takes thoughts but got '",
          procedure_.method, "' with none");
  if (options.halt && options.halt->kind != HaltRule::Kind::oracle) {
    procedure_ = with_halt(procedure_, *options.halt, model.model->config(), options.recurrences, model.method_weights);
  }
  require(!oracle(options) || (!procedure_.in_words && !procedure_.parallel), "halt",
          "expected a method that takes one thought after the other and no words but got '", procedure_.method, "'");
  require(!options.intervention || procedure_.max_thoughts() > 0, "intervene",
          "expected a method that takes thoughts but got '", procedure_.method, "' with none");
  if (options.intervention) require_effect(*options.intervention, procedure_);
  require_exit(model.model->config(), procedure_.exit, "evaluate");
  require_strategy(options.strategy, model.model->config(), procedure_);
  const bool one_chain = options.strategy.by_rows() && options.strategy.noise == 0;
  require(one_chain || (!oracle(options) && !options.intervention), "decode",
          "expected greedy decoding or plain samples beside an intervention or an oracle but got '",
          to_text(options.strategy), "'");
  require(!by_choice() || options.strategy.kind == StrategyKind::greedy, "decode",
          "expected greedy decoding where answers are chosen by likelihood but got '", to_text(options.strategy), "'");
  require_votes(task_.scorers.at(0), options.strategy, procedure_);
  solve_options_.strategy = options.strategy;
  solve_options_.seed = options.seed;
  solve_options_.same = task_.scorers.at(0).same;
  if (!task_.stop.empty()) {
    solve_options_.complete = [&tokenizer = *model.tokenizer, stop = task_.stop](const std::vector<int64_t>& tokens) {
      return ends_at_stop(tokenizer.decode(tokens), stop);
    };
  }
  examples_ = load_examples(task_, options.task_options);
  all_problems_ = std::ssize(examples_);
  limit_examples(examples_, options.limit, options.limit_seed);
  solve_options_.max_answer_tokens = answer_tokens(task_, examples_, options.task_options);
  solve_options_.recurrences = options.recurrences;
  tokenize();
  describe_them();
}

void Problems::tokenize() {
  const int64_t limit = model_.model->config().max_positions;
  const int64_t vocabulary = model_.model->config().vocab_size;
  std::optional<ChatTemplate> chat;
  if (options_.task_options.chat) chat = load_chat_template(model_.directory);
  if (chat) chat_ = chat->name;
  const std::vector<std::string> texts =
      render_prompts(task_, examples_, options_.task_options, chat ? &*chat : nullptr);
  std::vector<int64_t> all_needed;
  for (size_t i = 0; i < examples_.size(); ++i) {
    const Example& example = examples_[i];
    // White space before a choice belongs to the choice, as in lm-evaluation-harness: a tokenizer may join them.
    const bool joined = by_choice() && !choices_alone();
    const std::string text = joined ? texts[i].substr(0, texts[i].find_last_not_of(" \t\r\n") + 1) : texts[i];
    std::vector<int64_t> prompt = encode_question(model_, example.id, text, "evaluate");
    const int64_t largest = *std::max_element(prompt.begin(), prompt.end());
    require(largest < vocabulary, "evaluate", "expected token ids below ", vocabulary,
            " (the model's vocabulary) but got ", largest, " in example '", example.id, "'");
    if (by_choice()) tokenize_choices(example, texts[i], prompt);
    const int64_t needed = by_choice() ? choice_positions_needed(procedure_, std::ssize(prompt), choices_.back())
                                       : positions_needed(procedure_, std::ssize(prompt), solve_options_);
    all_needed.push_back(needed);
    too_long_.push_back(needed > limit);
    prompts_.push_back(std::move(prompt));
  }
  if (std::ranges::count(too_long_, 1) > 0) refuse_too_long(limit, all_needed);
}

// Unless they count as wrong: what takes the thoughts of all problems, or solves each to find its number of thoughts,
// has nothing to take of these.
void Problems::refuse_too_long(int64_t limit, const std::vector<int64_t>& needed) const {
  const int64_t i = std::ranges::find(too_long_, 1) - too_long_.begin(), count = std::ranges::count(too_long_, 1);
  const bool whole = oracle(options_) || (options_.intervention && needs_bank(*options_.intervention));
  if (options_.too_long == TooLong::wrong && !whole) return;
  fail("evaluate", "expected at most ", limit, " positions (the model's) but example '", examples_[i].id, "' may need ",
       needed[i], ", ", prompts_[i].size(), " of them for its question",
       count > 1 ? " (" + std::to_string(count) + " of " + std::to_string(size()) + " need more)" : "",
       whole ? "; an oracle, or an intervention that takes other thoughts, needs them all"
             : "; '--too-long wrong' counts such as wrong");
}

// `text` is the prompt. Where the choice follows it, both are encoded as one text, which is then cut behind the
// question's tokens, as lm-evaluation-harness does; behind thoughts or a marker the choice is encoded alone, as it was
// trained.
void Problems::tokenize_choices(const Example& example, const std::string& text, const std::vector<int64_t>& prompt) {
  require(!example.choices.empty(), "evaluate", "expected example '", example.id,
          "' with choices, whose likelihoods are compared, but it has none");
  require(!procedure_.reads_at_once(model_.model->config()), "evaluate",
          "expected a model that reads from left to right, to compare the likelihoods of choices, but got ",
          procedure_.reader(model_.model->config()));
  const bool alone = choices_alone();
  const size_t end = text.find_last_not_of(" \t\r\n") + 1;
  const std::string before = text.substr(0, end), space = end < text.size() ? text.substr(end) : " ";
  TokenRows rows;
  for (const std::string& choice : example.choices) {
    std::vector<int64_t> ids = model_.tokenizer->encode(alone ? choice : before + space + choice);
    if (!alone) ids.erase(ids.begin(), ids.begin() + std::min(std::ssize(prompt), std::ssize(ids)));
    require(!ids.empty(), "evaluate", "expected choices of at least one token but got '", choice, "' in example '",
            example.id, "'");
    rows.push_back(std::move(ids));
  }
  choices_.push_back(std::move(rows));
}

bool Problems::choices_alone() const {
  return procedure_.max_thoughts() > 0 || !procedure_.prompt_suffix.empty() || !procedure_.answer_marker.empty();
}

RunRecord Problems::record() const {
  const int64_t latents = options_.latents < 0 ? model_.settings.latents : options_.latents;
  const bool writes = procedure_.in_words || (!by_choice() && !procedure_.max_answer_tokens);
  return {model_,
          options_,
          procedure_.method,
          procedure_.options,
          task_.name,
          task_.renders_data,
          latents,
          procedure_.max_thoughts(),
          solve_options_.max_answer_tokens,
          all_problems_,
          writes,
          writes ? model_.settings.end_tokens : std::vector<int64_t>(),
          std::ranges::count(too_long_, 1) > 0,
          prompt_record(task_, options_.task_options, chat_)};
}

void Problems::describe_them() {
  described_.model = valid_utf8(model_name(model_.directory));
  described_.method = method_name();
  described_.task = task_.name;
  if (task_.heuristics) described_.heuristics = task_.heuristics(examples_, task_.scorers.at(0));
}

std::string Problems::method_name() const {
  std::string out = procedure_.method + changed_text();
  if (options_.halt) out += ", " + to_text(*options_.halt);
  if (options_.intervention) out += " +" + to_text(*options_.intervention);
  if (options_.strategy.kind != StrategyKind::greedy) out += ", " + to_text(options_.strategy);
  return out;
}

// ", 2 thoughts, temperature 0.5": what was asked for and is not the checkpoint's own.
std::string Problems::changed_text() const {
  std::string out;
  if (options_.latents >= 0 && options_.latents != model_.settings.latents)
    out += ", " + std::to_string(options_.latents) + (options_.latents == 1 ? " thought" : " thoughts");
  const DepthConfig& depth = model_.model->config().depth;
  if (options_.recurrences > 0 && options_.recurrences != depth.recurrences)
    out += ", " + std::to_string(options_.recurrences) + (options_.recurrences == 1 ? " recurrence" : " recurrences");
  if (options_.options.empty()) return out;
  const Method& how = method(options_.method, model_.settings);
  const bool own_method = model_.settings.method == how.name;
  const Json own = method_options(how, own_method ? model_.settings.options : Json::object(), "the checkpoint");
  for (const auto& [name, value] : options_.options.items()) {
    if (own.at(name) != value) out += ", " + name + " " + (value.is_string() ? value.get<std::string>() : value.dump());
  }
  return out;
}

bool Problems::solve_with(const Procedure& procedure, const std::vector<int64_t>& which, bool keep_trace,
                          const OnSolution& on_solution) const {
  TokenRows prompts;
  for (int64_t i : which) prompts.push_back(prompts_[i]);
  ScheduleOptions options{.rows = options_.batch, .solve = solve_options_};
  options.solve.keep_trace = keep_trace;
  options.solve.ids = which;
  options.solve.extract = extractor();
  const auto on_solved = [&](int64_t n, const Solution& solution) { return on_solution(which[n], solution); };
  if (!by_choice()) return solve_all(model_.model, procedure, prompts, options, on_solved);
  std::vector<TokenRows> choices;
  for (int64_t i : which) choices.push_back(choices_[i]);
  return choose_all(model_.model, procedure, prompts, choices, options, on_solved);
}

// The whole set in the task's order and in the run's batches: the same bits whatever was solved before.
bool Problems::prepare(const std::function<bool(int64_t done, int64_t total)>& go_on) {
  if (prepared_) return true;
  const bool banked = options_.intervention && needs_bank(*options_.intervention);
  const int64_t passes = (oracle(options_) ? procedure_.max_thoughts() + 1 : 0) + (banked ? 1 : 0);
  int64_t done = 0;
  const auto solved_one = [&] { return ++done % options_.batch != 0 || go_on(done, passes * size()); };
  if (oracle(options_) && !find_oracle(solved_one)) return false;
  auto bank = std::make_shared<ThoughtBank>();
  if (banked && !fill_bank(*bank, solved_one)) return false;
  if (options_.intervention) {
    Intervention what = *options_.intervention;
    what.seed += options_.seed;
    // Words that a strategy draws are drawn first: what replaces them stands around that.
    if (options_.strategy.sampling.temperature > 0)
      procedure_ = with_sampled_words(procedure_, options_.strategy.sampling, options_.seed);
    procedure_ = intervene(procedure_, what, std::move(bank));
  }
  prepared_ = true;
  return true;
}

// Every number of thoughts for those that no smaller one solved.
bool Problems::find_oracle(const std::function<bool()>& solved_one) {
  const int64_t most = procedure_.max_thoughts();
  std::vector<int64_t> thoughts(size(), most), open(size());
  std::iota(open.begin(), open.end(), 0);
  for (int64_t k = 0; k < most && !open.empty(); ++k) {
    Procedure with_k = procedure_;
    with_k.think.max_steps = k;
    with_k.think.halt = halt::fixed(k);
    const bool all = solve_with(with_k, open, /*keep_trace=*/false, [&](int64_t i, const Solution& solution) {
      if (sample(i, solution).correct) thoughts[i] = k;
      return solved_one();
    });
    if (!all) return false;
    std::erase_if(open, [&](int64_t i) { return thoughts[i] == k; });
  }
  procedure_.think.halt = halt::by_id(std::move(thoughts));
  return true;
}

bool Problems::fill_bank(ThoughtBank& bank, const std::function<bool()>& solved_one) const {
  bank.thoughts_KD.resize(size());
  bank.tokens.resize(size());
  std::vector<int64_t> all(size());
  std::iota(all.begin(), all.end(), 0);
  return solve_with(procedure_, all, /*keep_trace=*/true, [&](int64_t i, const Solution& solution) {
    bank.thoughts_KD[i] = solution.thoughts.trace_BKD[0];
    bank.tokens[i] = solution.thoughts.tokens[0];
    return solved_one();
  });
}

bool Problems::solve(const std::vector<int64_t>& which, const std::function<bool(int64_t, Sample)>& on_sample) const {
  require(prepared_, "evaluate", "expected problems that are prepared");
  std::vector<int64_t> fitting;
  for (const int64_t i : which) {
    if (!too_long(i)) {
      fitting.push_back(i);
    } else if (!on_sample(i, unsolved(i))) {
      return false;
    }
  }
  if (fitting.empty()) return true;
  return solve_with(procedure_, fitting, /*keep_trace=*/!procedure_.in_words,
                    [&](int64_t i, const Solution& solution) { return on_sample(i, sample(i, solution)); });
}

// The answer as the task's first scorer finds it; whether it is right is not looked at.
std::function<std::string(int64_t, const std::vector<int64_t>&)> Problems::extractor() const {
  return [this](int64_t i, const std::vector<int64_t>& tokens) {
    return task_.scorers.front().score(examples_[i], valid_utf8(model_.tokenizer->decode(tokens))).answer;
  };
}

PhaseTimes Problems::time(int64_t i) const {
  require(prepared_, "evaluate", "expected problems that are prepared");
  SolveOptions options = solve_options_;
  options.ids = {i};
  options.extract = extractor();
  if (by_choice()) return choose(model_.model, procedure_, {prompts_[i]}, {choices_[i]}, options).ms;
  return tacit::solve(model_.model, procedure_, {prompts_[i]}, options).ms;
}

// Whether neither the model nor a stop string ended it. A method's own length, as that of a grid, is no cap.
bool Problems::ran_into_cap(const Decoded& answer) const {
  const bool own = procedure_.max_answer_tokens && *procedure_.max_answer_tokens <= solve_options_.max_answer_tokens;
  const bool ended = answer.stopped || (solve_options_.complete && solve_options_.complete(answer.tokens));
  return !own && !ended && std::ssize(answer.tokens) == solve_options_.max_answer_tokens;
}

Sample Problems::posed(int64_t i) const {
  const Example& example = examples_[i];
  std::vector<int64_t> prompt = prompts_[i];
  prompt.insert(prompt.end(), procedure_.prompt_suffix.begin(), procedure_.prompt_suffix.end());

  Sample s;
  s.task = task_.name;
  s.id = example.id;
  s.method = method_name();
  s.question = valid_utf8(model_.tokenizer->decode(prompt));
  s.expected = example.answer;
  s.depth = depth_of(example);
  return s;
}

Sample Problems::unsolved(int64_t i) const {
  Sample s = posed(i);
  s.too_long = true;
  score(s, examples_[i], task_);
  return s;
}

Sample Problems::sample(int64_t i, const Solution& solution) const {
  const Example& example = examples_[i];
  const Tokenizer& tokenizer = *model_.tokenizer;
  const int64_t prompt_tokens = std::ssize(prompts_[i]) + std::ssize(procedure_.prompt_suffix);

  Sample s = posed(i);
  s.thoughts = valid_utf8(thoughts_text(*model_.model, tokenizer, solution.thoughts, 0));
  if (by_choice()) {
    s.choices = solution.choices[0];
    s.text = example.choices[likeliest_choice(s.choices)];
  } else {
    s.text = valid_utf8(tokenizer.decode(solution.answers[0].tokens));
  }
  score(s, example, task_);
  s.steps = solution.work ? solution.work->thoughts : solution.thoughts.steps[0];
  s.tokens = solution.work ? solution.work->tokens : std::ssize(solution.answers[0].tokens);
  s.cut_off = procedure_.in_words && !solution.thoughts.halted[0];
  s.answer_cut_off = !by_choice() && ran_into_cap(solution.answers[0]);
  s.flops = problem_flops(model_.model->config(), options_.recurrences, procedure_, prompt_tokens, solution);
  s.memory_bytes = problem_memory_bytes(model_.model->config(), options_.recurrences, procedure_, prompt_tokens,
                                        solution, static_cast<int64_t>(at::elementSize(model_.model->dtype())));
  if (!solution.mean_exits.empty()) s.recurrences = solution.mean_exits[0];
  s.ms_prefill = rounded_ms(solution.ms.prefill);
  s.ms_think = rounded_ms(solution.ms.think);
  s.ms_answer = rounded_ms(solution.ms.answer);
  return s;
}

int64_t least_thoughts(const Intervention& what) {
  switch (what.kind) {
    case InterventionKind::truncate:
    case InterventionKind::freeze: return what.at + 1;
    case InterventionKind::permute: return 2;
    default: return 1;
  }
}

std::string share_text(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", share);
  return text[0] == '0' ? text + 1 : text;
}

std::string thoughts_text(const Transformer& model, const Tokenizer& tokenizer, const Thoughts& thoughts, int64_t row) {
  if (!thoughts.tokens[row].empty()) return tokenizer.decode(thoughts.tokens[row]);
  const int64_t steps = thoughts.steps[row];
  if (steps == 0 || !thoughts.trace_BKD.defined()) return "";
  std::string text;
  for (const auto& shares : readouts(model, thoughts.trace_BKD[row].narrow(0, 0, steps), kReadoutEntries)) {
    if (!text.empty()) text += " | ";
    for (const TokenShare& share : shares) {
      const bool first = &share == &shares.front();
      if (!first && share.probability < .005) break;  // would read .00
      text += (first ? "" : " ") + token_word(tokenizer, share.token) + " " + share_text(share.probability);
    }
  }
  return text;
}

}  // namespace tacit
