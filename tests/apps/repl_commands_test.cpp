#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <functional>
#include <sstream>
#include <tuple>

#include "apps/graph_question.h"
#include "apps/render.h"
#include "decoding/decode.h"
#include "eval/open_model.h"
#include "tests/apps/repl_support.h"

using namespace tacit;
using namespace tacit::test;

namespace {

std::string with_question(const std::string& commands) { return std::string(kQuestion) + "\n" + commands; }

// What stands behind `mark` up to the end of the line, in the last place where it stands.
std::string behind(const std::string& text, const std::string& mark) {
  const size_t at = text.rfind(mark);
  if (at == std::string::npos) return "";
  const size_t begin = at + mark.size();
  return text.substr(begin, text.find('\n', begin) - begin);
}

std::string fixed(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

// The embedded models: their answers depend on their thoughts, those of random weights hardly do.
const std::filesystem::path kEmbedded = std::filesystem::path(TACIT_SOURCE_DIR) / "models";

std::string embedded_question(uint64_t seed) {
  ReachOptions options;
  options.labels = open_model(kEmbedded / "frontier").settings.labels;
  return reach_example(options, seed, 0).question;
}

// /new 7 on them, then the commands.
Finished embedded_script(const std::string& commands) {
  return run_tacit({"repl", "--models", kEmbedded.string()}, {.input = "/new 7\n" + commands});
}

// The side of thoughts by hand: each thought the last hidden state, unless `fed` (own thought, logits) replaces it.
struct ByHand {
  using Fed = std::function<at::Tensor(int64_t k, const at::Tensor& own_D, const at::Tensor& logits_V)>;
  LoadedModel model = open_model(kEmbedded / "frontier");
  std::vector<at::Tensor> thoughts;
  std::vector<double> entropies;
  std::string answer;

  explicit ByHand(const Fed& fed = nullptr, const std::string& question = embedded_question(7)) {
    const Procedure procedure = bind_method(method("frontier"), model.settings, model.tokenizer.get());
    Session session(model.model, {.capacity = 256});
    std::vector<int64_t> prompt = model.tokenizer->encode(question);
    prompt.insert(prompt.end(), procedure.prompt_suffix.begin(), procedure.prompt_suffix.end());
    session.prefill({prompt});
    for (int64_t k = 0; k < 6; ++k) {
      const at::Tensor own_D = session.hidden_BD()[0], logits_V = session.logits_BV()[0];
      const at::Tensor share_V = logits_V.to(at::kDouble).softmax(0);
      entropies.push_back(-(share_V * share_V.log()).sum().item<double>());
      thoughts.push_back(fed ? fed(k, own_D, logits_V) : own_D);
      session.feed_vectors(thoughts.back().view({1, 1, -1}));
    }
    session.feed(procedure.answer_marker);
    const Decoded decoded = decode(session, {.max_tokens = 8, .stop_tokens = procedure.stop_tokens})[0];
    const std::vector<std::string> words = split_words(model.tokenizer->decode(decoded.tokens));
    answer = words.empty() ? "(none)" : words[0];
  }

  at::Tensor embed(const std::string& word) const {
    return model.model->embed(at::tensor({model.tokenizer->require_id(word, "test")}, at::kLong))[0];
  }
};

at::Tensor as_long_as(const at::Tensor& x_D, const at::Tensor& like_D) { return x_D * (like_D.norm() / x_D.norm()); }

// The answer that a command said that it came to.
std::string changed_answer(const std::string& out) {
  const std::string stays = behind(out, "The answer stays "), to = behind(out, "The answer changes from ");
  if (!stays.empty()) return split_words(stays)[0];
  const std::string last = to.empty() ? "" : split_words(to).back();
  return last.substr(0, last.size() - 1);  // the full stop
}

}  // namespace

TEST_CASE("/trace says each thought's norm, cosine with the one before and entropy") {
  const Finished done = embedded_script("/trace\n");
  REQUIRE(done.code == 0);
  const ByHand own;
  std::istringstream lines(done.out.substr(done.out.rfind("cosine  entropy")));
  std::string line;
  std::getline(lines, line);
  for (size_t k = 0; k < 6; ++k) {
    std::getline(lines, line);
    CAPTURE(line);
    const at::Tensor& z_D = own.thoughts[k];
    std::vector<std::string> words = split_words(line);
    std::erase_if(words, [](const std::string& w) { return w.find("█") == 0 || w.find("▏") == 0 || w.size() == 3; });
    CHECK(words[0] == std::to_string(k + 1));
    CHECK(words[1] == fixed(z_D.norm().item<double>(), 2));
    if (k > 0) {
      const at::Tensor& y_D = own.thoughts[k - 1];
      CHECK(holds(line, fixed(((z_D * y_D).sum() / z_D.norm() / y_D.norm()).item<double>(), 3)));
    }
    CHECK(holds(line, " " + fixed(own.entropies[k], 2)));
  }
}

TEST_CASE("/lens shows as many tokens as asked for, of every thought and behind every block") {
  const Finished done = embedded_script("/lens 3\n/set top 2\n/lens words\n");
  REQUIRE(done.code == 0);
  const ByHand own;
  const auto best = own.model.model->logits(own.thoughts[0]).to(at::kDouble).softmax(0).sort(0, /*descending=*/true);
  std::string expected = " 1  ";
  for (int64_t i = 0; i < 3; ++i) {
    expected += (i > 0 ? "  " : "") + own.model.tokenizer->token(std::get<1>(best)[i].item<int64_t>()) + " " +
                fixed(100 * std::get<0>(best)[i].item<double>(), 1);
  }
  CAPTURE(done.out);
  CHECK(holds(done.out, "\n" + expected + "\n"));
  CHECK(holds(done.out, "likeliest behind each block"));
  CHECK(holds(done.out, "words · cot"));
}

TEST_CASE("/edit feeds a word's embedding in place of a thought, with --norm as long as the thought") {
  const ByHand own;
  int changes = 0;
  for (const auto& [step, word] : std::vector<std::pair<int64_t, std::string>>{{1, "3"}, {3, "16"}, {6, "[E]"}}) {
    for (const bool norm : {false, true}) {
      const ByHand edited([&](int64_t k, const at::Tensor& own_D, const at::Tensor&) {
        if (k != step - 1) return own_D;
        const at::Tensor word_D = own.embed(word);
        return norm ? as_long_as(word_D, own_D) : word_D;
      });
      const Finished done = embedded_script("/edit " + std::to_string(step) + (norm ? " --norm " : " ") + word + "\n");
      CAPTURE(done.out);
      CHECK(done.code == 0);
      CHECK(holds(done.out, "thought " + std::to_string(step) + " = " + word));
      CHECK(changed_answer(done.out) == edited.answer);
      changes += edited.answer != own.answer;
    }
  }
  CHECK(changes > 0);
}

TEST_CASE("/branch feeds the second likeliest token after the thoughts that both branches share") {
  for (const int64_t step : {0, 2, 5}) {
    const ByHand branched([&](int64_t k, const at::Tensor& own_D, const at::Tensor& logits_V) {
      if (k != step) return own_D;
      const LoadedModel model = open_model(kEmbedded / "frontier");
      const int64_t second = logits_V.argsort(0, /*descending=*/true)[1].item<int64_t>();
      return as_long_as(model.model->embed(at::tensor({second}, at::kLong))[0], own_D);
    });
    const Finished done = embedded_script("/branch " + std::to_string(step) + "\n");
    CAPTURE(done.out);
    CHECK(done.code == 0);
    CHECK(holds(done.out, "second likeliest · frontier · 6 thoughts"));
    CHECK(changed_answer(done.out) == branched.answer);
  }
  // Noise depends on the seed alone; none changes nothing.
  const std::string once = embedded_script("/set width 90\n/branch 1 noise:4\n").out;
  CHECK(holds(once, "noise 4 · frontier"));
  CHECK(holds(embedded_script("/branch 1 noise:0\n").out, "The answer stays"));
}

TEST_CASE("/swap feeds the thoughts of another problem, and says whose answer comes out") {
  ReachOptions options;
  options.labels = open_model(kEmbedded / "frontier").settings.labels;
  const ByHand own;
  int changes = 0;
  for (const auto& [command, id, other] :
       {std::tuple("/swap 9\n", "reach-9/0", reach_example(options, 9, 0).question),
        std::tuple("/swap\n", "reach-7/1", reach_example(options, 7, 1).question),
        std::tuple("/swap 7\n", "reach-7/1", reach_example(options, 7, 1).question)}) {  // never with itself
    const ByHand donor(nullptr, other);
    const ByHand swapped([&](int64_t k, const at::Tensor&, const at::Tensor&) { return donor.thoughts[k]; });
    const Finished done = embedded_script(command);
    CAPTURE(done.out);
    CHECK(done.code == 0);
    CHECK(holds(done.out, std::string("of ") + id + " · frontier · 6 thoughts"));
    std::string flat = done.out;
    std::replace(flat.begin(), flat.end(), '\n', ' ');
    CHECK(holds(flat, "answers " + donor.answer));
    const bool follows = swapped.answer == donor.answer;
    CHECK(holds(flat, swapped.answer == own.answer ? "The answer stays " + own.answer
                      : follows                    ? "The answer follows the thoughts: " + swapped.answer
                                : "The answer changes from " + own.answer + " to " + swapped.answer));
    changes += swapped.answer != own.answer;
  }
  CHECK(changes > 0);
}

TEST_CASE("words can be changed too: by one word, or the second likeliest, and what follows is written anew") {
  const LoadedModel model = open_model(kEmbedded / "cot");
  const auto second = [](const at::Tensor& logits_V) { return logits_V.argsort(0, true)[1].item<int64_t>(); };
  // Word `step` is replaced, all others are the likeliest; [A] ends them.
  const auto by_hand = [&](int64_t step, const std::function<int64_t(const at::Tensor&)>& word) {
    Session session(model.model, {.capacity = 256});
    std::vector<int64_t> prompt = model.tokenizer->encode(embedded_question(7));
    prompt.push_back(model.tokenizer->require_id("[T]", "test"));
    session.prefill({prompt});
    const int64_t end = model.tokenizer->require_id("[A]", "test");
    int64_t words = 0;
    for (; words < model.settings.max_words; ++words) {
      const at::Tensor logits_V = session.logits_BV()[0];
      const int64_t next = words == step ? word(logits_V) : logits_V.argmax().item<int64_t>();
      if (next == end) break;
      session.feed(std::vector{next});
    }
    session.feed(std::vector{end});
    const Decoded answer = decode(session, {.max_tokens = 1})[0];
    return std::pair(words, model.tokenizer->decode(answer.tokens));
  };
  int64_t other_lengths = 0;
  for (const auto& [command, title, step, word] :
       std::vector<std::tuple<std::string, std::string, int64_t, std::function<int64_t(const at::Tensor&)>>>{
           {"/edit words 1 9", "thought 1 = 9", 0,
            [&](const at::Tensor&) { return model.tokenizer->require_id("9", "test"); }},
           {"/branch words 0", "second likeliest", 0, second},
           {"/branch words 2", "second likeliest", 2, second}}) {
    const auto [words, answer] = by_hand(step, word);
    const Finished done = embedded_script(command + "\n");
    CAPTURE(done.out);
    CHECK(done.code == 0);
    CHECK(holds(done.out, title + " · cot · " + std::to_string(words) +
                              (words == model.settings.max_words ? " words, the cap "
                               : words == 1                      ? " word "
                                                                 : " words ")));
    CHECK(changed_answer(done.out) == answer);
    other_lengths += words != by_hand(-1, second).first;
  }
  CHECK(other_lengths > 0);
}

TEST_CASE("a chain that ran into the cap says so in the picture, /trace and /show, which prints all of it") {
  const Finished alone = run_tacit(
      {"run", "--model", (kEmbedded / "cot").string(), "--question", embedded_question(7), "--json", "--threads", "1"});
  REQUIRE(alone.code == 0);
  const auto words = Json::parse(alone.out).at("words").get<std::vector<std::string>>();
  REQUIRE(std::ssize(words) == open_model(kEmbedded / "cot").settings.max_words);
  const std::string capped = "words · cot · " + std::to_string(words.size()) + " words, the cap";
  const Finished done = embedded_script("/set width 90\n/trace words\n/show words\n");
  CHECK(done.code == 0);
  const std::string picture = done.out.substr(0, done.out.find("width 90")),
                    trace = done.out.substr(picture.size(), done.out.rfind(capped) - picture.size()),
                    shown = done.out.substr(done.out.rfind(capped));
  CHECK(holds(picture, capped));
  CHECK(holds(picture, "more words"));
  CHECK(holds(trace, capped + " · answer "));
  CHECK(holds(trace, "more words"));
  CHECK(holds(shown, "\n\n" + join_words(wrap_text(join_words(words), 90), "\n") + "\n\nanswer "));
}

TEST_CASE("/compare says of every model and method what `run` does: steps, answer, whether it is right") {
  ReachOptions options;
  options.labels = open_model(kEmbedded / "frontier").settings.labels;
  const std::string right = reach_example(options, 7, 0).answer;
  const Finished done = embedded_script("/compare\n/compare thoughts:pause words:direct soft-thinking\n");
  CAPTURE(done.err);
  REQUIRE(done.code == 0);
  const std::string all = done.out.substr(done.out.find("\nmodel "));
  CHECK(holds(all, "\nms: median of three passes after an untimed one, the models in turn;"));
  for (const auto& [name, model, method] :
       std::vector<std::tuple<std::string, std::string, std::string>>{{"coconut", "coconut", "latent"},
                                                                      {"cot", "cot", "latent"},
                                                                      {"cot-frontier", "cot-frontier", "latent"},
                                                                      {"direct", "direct", "latent"},
                                                                      {"frontier", "frontier", "latent"},
                                                                      {"pause", "pause", "latent"},
                                                                      {"thoughts:pause", "frontier", "pause"},
                                                                      {"words:direct", "cot", "direct"},
                                                                      {"soft-thinking", "frontier", "soft-thinking"}}) {
    const Finished alone = run_tacit({"run", "--model", (kEmbedded / model).string(), "--method", method, "--question",
                                      embedded_question(7), "--json"});
    REQUIRE(alone.code == 0);
    const Json said = Json::parse(alone.out);
    const std::vector<std::string> row = split_words(behind(all, "\n" + name + " "));
    CAPTURE(name);
    CAPTURE(all);
    REQUIRE(row.size() >= 5);
    CHECK(row[1] == std::to_string(said.at("steps").get<int64_t>()));
    const std::string answer = said.at("answer");
    CHECK(row[3] == answer);
    CHECK(row[4] == (answer == right ? "✓" : "✗"));
  }
  // The likeliest token of every thought.
  const ByHand own;
  std::string gist;
  for (const at::Tensor& thought_D : own.thoughts)
    gist += " " + own.model.tokenizer->token(own.model.model->logits(thought_D).argmax().item<int64_t>());
  CHECK(holds(behind(all, "\nfrontier "), gist));
}

TEST_CASE("/bench times both sides, and shares are of the side's own time") {
  const Finished done = script(with_question("/bench 2\n"));
  CHECK(done.code == 0);
  CHECK(holds(done.out, "ms a step"));
  CHECK(holds(done.out, "medians of 2 rounds"));
  for (const char* side : {"\nwords ", "\nthoughts "}) {
    const std::string line = behind(done.out, side);
    CAPTURE(line);
    double sum = 0;
    for (size_t at = 0; (at = line.find('(', at)) != std::string::npos; ++at) sum += std::stod(line.substr(at + 1));
    CHECK(std::abs(sum - 100) <= 1.5);  // three rounded shares
    // "64 words  0.286  166.88 (90 %)  18.28 (10 %)  0.57 (0 %)  185.74": a step is its part of the thinking.
    const std::vector<std::string> cells = split_words(line);
    REQUIRE(cells.size() == 13);
    const double steps = std::stod(cells[0]), step = std::stod(cells[2]), prompt = std::stod(cells[3]),
                 thinking = std::stod(cells[6]), answer = std::stod(cells[9]);
    CHECK(std::abs(steps * step - thinking) <= .0006 * steps + .006);
    CHECK(std::abs(prompt + thinking + answer - std::stod(cells[12])) <= .021);
  }
}

TEST_CASE("/set lists settings, says one, and takes another value") {
  const Finished done = script("/set\n/set width 60\n/set width\n/set latents 3\n/latents\n/set latents 2\n" +
                               std::string(kQuestion) + "\n/set threads 1\n/set thoughts.nothing 1\n");
  CAPTURE(done.out);
  for (const char* name : {"colour", "width", "seed", "latents", "recurrences", "top", "threads"})
    CHECK(holds(done.out, std::string("\n") + name + " "));
  CHECK(holds(done.out, "\nwidth 60\n"));
  CHECK(holds(done.out, "thoughts · frontier · 2 thoughts"));
  CHECK(holds(done.err, "a setting that /set lists but got 'thoughts.nothing'"));
  std::istringstream lines(done.out.substr(done.out.find("Which can")));
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    CHECK(std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; }) <= 60);
  }
  CHECK(holds(script("/set colour on\n" + std::string(kQuestion) + "\n").out, "\x1b[1m"));
}

TEST_CASE("/set changes an option of a side's method, and the next answers have it") {
  const Finished done = embedded_script("/method thoughts coconut\n/set thoughts.layer 0\n/set\n/trace\n");
  CAPTURE(done.out);
  CHECK(done.code == 0);
  CHECK(split_words(behind(done.out, "\nthoughts.layer "))[0] == "0");
  // By hand: what stands behind the first block, normed, is fed back.
  const LoadedModel model = open_model(kEmbedded / "frontier");
  Session session(model.model, {.capacity = 256, .keep_layers = true});
  session.prefill({model.tokenizer->encode(embedded_question(7))});
  std::istringstream lines(done.out.substr(done.out.rfind("cosine  entropy")));
  std::string line;
  std::getline(lines, line);
  for (int64_t k = 0; k < 6; ++k) {
    const at::Tensor z_D = model.model->final_norm(session.state(std::vector<int64_t>{0}, 0).layer_BD(0))[0];
    std::getline(lines, line);
    CAPTURE(line);
    CHECK(split_words(line)[1] == fixed(z_D.norm().item<double>(), 2));
    session.feed_vectors(z_D.view({1, 1, -1}));
  }
  const Finished bad = script("/method thoughts coconut\n/set thoughts.vectors many\n");
  CHECK(bad.code == 1);
  CHECK(holds(bad.err, "vectors"));
}

TEST_CASE("what the new commands cannot do is one line that says what was expected") {
  const std::vector<std::pair<std::string, std::string>> table = {
      {"/edit 7 9", "STEP of 1 to 6 (6 thoughts) but got 7"},
      {"/edit 0 9", "the number of a thought, at least 1, but got 0"},
      {"/edit x 9", "the number of a thought, at least 1, but got 'x'"},
      {"/edit 1", "'/edit [SIDE] STEP [--norm] WORD..' but got '/edit 1'"},
      {"/edit 1 --norm", "STEP [--norm] WORD..' but got '1 --norm'"},
      {"/edit words 1 9 9", "one token, for a side that thinks in words, but got 2 in '9 9'"},
      {"/branch 99", "STEP of 0 to 5 (6 thoughts) but got 99"},
      {"/branch 1 noice", "[second|noise[:SIZE]]' but got '1 noice'"},
      {"/branch 1 noise:-1", "a SIZE of at least 0 behind 'noise:', as in noise:0.5, but got '-1'"},
      {"/branch 1 noise:", "a SIZE of at least 0 behind 'noise:', as in noise:0.5, but got ''"},
      {"/compare words:", "a METHOD behind the side, as in words:direct, but got 'words:'"},
      {"/branch words 1 noise", "expected 'second' for a side that thinks in words but got 'noise'"},
      {"/swap x", "a seed of at least 0 but got 'x'"},
      {"/lens 0", "a number of tokens, at least 1 and at most 1000, but got 0"},
      {"/trace nothing", "'/trace [words|thoughts]' but got 'nothing'"},
      {"/compare nothing", "a folder of a model, a method or SIDE:METHOD but got 'nothing'"},
      {"/compare thoughts:cocnut", "did you mean 'coconut'?"},
      {"/bench 0", "a number of rounds, at least 1"},
      {"/set witdh 3", "did you mean 'width'?"},
      {"/set width 3", "a number of columns, at least 20 and at most 1000, but got 3"},
      {"/set colour blue", "expected auto, on or off but got 'blue'"},
      {"/set recurrences 2", "a model with recurrent depth but neither side has it"},
      {"/help nothing", "a command that /help lists but got '/nothing'"},
      {"/method thoughts direct", ""},
      {"/edit 1 9", "a side that takes thoughts but got thoughts (direct) with none"},
  };
  std::string input = with_question("");
  for (const auto& [line, expected] : table) input += line + "\n";
  const Finished done = script(input);
  CHECK(done.code == 1);
  std::istringstream errors(done.err);
  for (const auto& [line, expected] : table) {
    if (expected.empty()) continue;
    std::string error;
    std::getline(errors, error);
    CAPTURE(line);
    CAPTURE(error);
    CHECK(holds(error, expected));
  }
  CHECK(lines_in(done.err) == std::ssize(table) - 1);
  const Finished none = script("/trace\n/lens\n/swap\n/branch 1\n/edit 1 9\n/compare\n/bench\n");
  CHECK(lines_in(none.err) == 7);
}

TEST_CASE("/compare takes the number of thoughts that was set, of all that have one") {
  const Finished done =
      script(with_question("/latents 2\n/compare frontier thoughts:coconut words:coconut pause cot\n"));
  CAPTURE(done.out);
  CHECK(done.code == 0);
  const std::string table = done.out.substr(done.out.rfind("\nmodel"));
  for (const char* row : {"\nfrontier ", "\nthoughts:coconut ", "\nwords:coconut "}) {
    const std::string line = behind(table, row);
    CAPTURE(line);
    CHECK(holds(line, "2 thoughts"));
  }
  CHECK(holds(behind(table, "\npause "), "2 pauses"));
}

TEST_CASE("/help names every command, and says more about one") {
  const Finished done = script("/help\n/help branch\n/help /edit\n");
  CHECK(done.code == 0);
  for (const char* name : {"/compare", "/trace", "/lens", "/swap", "/branch", "/edit", "/set", "/save", "/load",
                           "/bench", "/model", "/method", "/latents"}) {
    CHECK(holds(done.out, std::string("\n") + name + " "));
  }
  CHECK(holds(done.out, "The first STEP thoughts are the same."));
  CHECK(holds(done.out, "as long as the thought that it"));
}
