#include "eval/scorers/proof.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "eval/scorers/derivation.h"
#include "eval/scorers/plain_text.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

// What stands before the last "###"; all of the text where there is none.
std::string_view chain_part(const std::string& text) {
  return std::string_view(text).substr(0, std::min(text.rfind("###"), text.size()));
}

struct Chain {
  std::string text;  // "" where none is written
  bool proves = false;
};

// "True or false: Stella is not floral." as what is asked; nothing for another question.
std::optional<Statement> asked(const std::string& question) {
  const std::string mark = "True or false:";
  const size_t at = question.rfind(mark);
  if (at == std::string::npos) return std::nullopt;
  const std::vector<std::string> sentences = sentences_of(std::string_view(question).substr(at + mark.size()));
  return sentences.empty() ? std::nullopt : parse_statement(sentences[0]);
}

std::string known_facts_only(const std::string& question) {
  return question.substr(0, question.rfind("True or false:"));
}

// What a proof must end with.
std::optional<Statement> goal_of(const Example& example) {
  if (auto query = asked(example.question)) {
    const std::string answer = lower_case(stripped(example.answer));
    require(answer == "true" || answer == "false", "score", "expected the answer of '", example.id,
            "' to be True or False but got '", example.answer, "'");
    if (answer == "false") query->positive = !query->positive;
    return query;
  }
  const std::vector<std::string> sentences = sentences_of(example.answer);
  return sentences.size() == 1 ? parse_statement(sentences[0]) : std::nullopt;
}

Chain english_chain(const Example& example, const std::string& text) {
  const auto goal = goal_of(example);
  require(goal.has_value(), "score", "expected the answer of '", example.id,
          "' to be a statement such as \"Tom is a lempus.\", or True or False, but got '", example.answer, "'");
  std::vector<Statement> rules;
  for (const std::string& sentence : sentences_of(known_facts_only(example.question))) {
    if (const auto rule = parse_statement(sentence)) rules.push_back(*rule);
  }
  Derivation derivation(rules);
  Chain out;
  bool valid = true;
  for (const std::string& sentence : sentences_of(chain_part(text))) {
    const auto statement = parse_statement(sentence);
    if (!statement) continue;  // "True", "So"
    // An answer that repeats the goal after it was derived is a step like any other.
    out.text += (out.text.empty() ? "" : " ") + sentence + ".";
    valid = valid && derivation.step(*statement);
  }
  // The answer alone is no chain, unless the question states it.
  const std::vector<std::string> steps = sentences_of(out.text);
  const bool only_goal = steps.size() == 1 && parse_statement(steps[0]) == goal;
  if (only_goal && !std::ranges::count(rules, *goal)) return {};
  out.proves = valid && derivation.entity() == goal->subject && derivation.holds(*goal);
  return out;
}

struct Graph {
  std::set<std::pair<std::string, std::string>> edges;  // by label
  std::set<std::string> labels;
  std::string root;
};

Graph graph_of(const Example& example) {
  const Json meta = example.meta;
  require(meta.is_object() && meta.contains("graph"), "score", "expected meta.graph of '", example.id, "'");
  const JsonReader in(meta, "score", "example '" + example.id + "'", "meta");
  const std::vector<std::string> labels = in.strings("labels");
  const JsonReader graph = in.object("graph");
  const auto label = [&](const Json& node) {
    const bool fits = node.is_number_integer() && node.get<int64_t>() >= 0 && node.get<int64_t>() < std::ssize(labels);
    if (!fits) graph.reject("edges", "to be pairs of nodes with a label");
    return labels[node.get<size_t>()];
  };
  Graph out;
  out.labels = {labels.begin(), labels.end()};
  if (!graph.has("edges") || !graph.json().at("edges").is_array()) graph.reject("edges", "to be a list");
  for (const Json& edge : graph.json().at("edges")) {
    if (!edge.is_array() || edge.size() != 2) graph.reject("edges", "to be pairs of nodes with a label");
    out.edges.emplace(label(edge[0]), label(edge[1]));
  }
  out.root = label(graph.integer("root"));
  return out;
}

// Words that are labels or ';'; with any other word it is no chain.
Chain symbol_chain(const Example& example, const std::string& text) {
  const Graph graph = graph_of(example);
  std::istringstream words{std::string(chain_part(text))};
  std::vector<std::vector<std::string>> levels(1);
  bool semicolons = false;
  Chain out;
  for (std::string word; words >> word;) {
    if (word == ";") {
      semicolons = true;
      levels.emplace_back();
    } else if (graph.labels.contains(word)) {
      levels.back().push_back(word);
    } else {
      return {};
    }
    out.text += (out.text.empty() ? "" : " ") + word;
  }
  if (!semicolons) {
    const std::vector<std::string> nodes = levels[0];
    levels.clear();
    for (const std::string& node : nodes) levels.push_back({node});
  }
  std::erase_if(levels, [](const auto& level) { return level.empty(); });
  if (!levels.empty() && levels[0] == std::vector{graph.root}) levels.erase(levels.begin());
  // Behind the chain the answer may stand once more.
  const auto holds_answer = [&](const auto& level) { return std::ranges::count(level, example.answer) > 0; };
  if (levels.size() > 1 && levels.back() == std::vector{example.answer} && holds_answer(levels[levels.size() - 2])) {
    levels.pop_back();
  }
  if (levels.empty()) return {};
  std::vector<std::string> before = {graph.root};
  bool valid = true;
  for (const auto& level : levels) {
    for (const std::string& node : level) {
      const auto leads = [&](const std::string& from) { return graph.edges.contains({from, node}); };
      valid = valid && std::ranges::any_of(before, leads);
    }
    before = level;
  }
  out.proves = valid && (semicolons ? std::ranges::any_of(levels, holds_answer) : holds_answer(levels.back()));
  return out;
}

Chain chain_of(const Example& example, const std::string& text) {
  const bool symbols = example.answer.find(' ') == std::string::npos && example.meta.is_object() &&
                       example.meta.contains("graph") && !asked(example.question);
  return symbols ? symbol_chain(example, text) : english_chain(example, text);
}

}  // namespace

Scorer proof() {
  Scorer out;
  out.name = "proof";
  out.rule = "the written chain derives the reference answer, step by step, from what the question says";
  out.score = [](const Example& example, const std::string& text) {
    const Chain chain = chain_of(example, text);
    return Score{chain.text, !chain.text.empty(), chain.proves};
  };
  out.score_chain = [score = out.score](const Example& example, const std::string& thoughts, const std::string& text) {
    return score(example, thoughts + "\n" + text);
  };
  out.by_itself = true;
  return out;
}

}  // namespace tacit
