#include "apps/repl_session.h"

#include <algorithm>

#include "apps/runtime.h"
#include "lib/core/error.h"
#include "lib/core/files.h"

namespace tacit {
namespace {

namespace fs = std::filesystem;
constexpr const char* kFormat = "tacit repl session";
constexpr int64_t kVersion = 1;

OrderedJson json_of(const Reply& reply) {
  OrderedJson thoughts = OrderedJson::array();
  for (const WordShares& shares : reply.grid.thoughts) {
    OrderedJson one = OrderedJson::array();
    for (const auto& [word, share] : shares) one.push_back({word, share});
    thoughts.push_back(std::move(one));
  }
  OrderedJson words = OrderedJson::array();
  for (const std::string& word : reply.words) words.push_back(word);
  OrderedJson out = {{"method", reply.method},
                     {"in_words", reply.in_words},
                     {"steps", reply.steps},
                     {"ms", reply.ms},
                     {"answer", reply.answer},
                     {"words", words},
                     {"explored", reply.grid.explored},
                     {"thoughts", thoughts}};
  if (reply.right) out["right"] = *reply.right;
  if (reply.cut_off) out["cut_off"] = true;
  return out;
}

OrderedJson json_of(const Thinker& side) {
  return {{"model", fs::absolute(side.loaded.directory).lexically_normal().string()},
          {"method", side.method},
          {"options", OrderedJson::parse(side.options.dump())}};
}

// Of `side` where the file, an older one, does not say what made it; judged by `rule` where it does not say that.
Reply reply_from(const JsonReader& in, const Thinker& side, const AnswerRule& rule) {
  in.only({"method", "in_words", "steps", "ms", "answer", "words", "explored", "thoughts", "right", "cut_off"});
  Reply reply;
  reply.method = in.string("method", side.method);
  reply.in_words = in.boolean("in_words", side.procedure.in_words);
  reply.steps = in.integer_in("steps", 0, kMostThoughts);
  reply.cut_off = in.boolean("cut_off", false);
  reply.ms = in.number("ms");
  constexpr double kMostMs = 1e9;  // eleven days
  if (!(reply.ms >= 0 && reply.ms <= kMostMs)) in.reject("ms", "to be milliseconds from 0 to 1e9");
  reply.answer = in.string("answer");
  reply.by_choice = rule.by_choice;
  if (in.has("right")) {
    reply.right = in.boolean("right", false);
  } else if (rule.right) {
    reply.right = rule.right("", reply.answer);
  }
  reply.words = in.strings("words");
  reply.grid.explored = in.boolean("explored", false);
  const auto pair = [](const Json& p) { return p.is_array() && p.size() == 2 && p[0].is_string() && p[1].is_number(); };
  if (!in.has("thoughts") || !in.json()["thoughts"].is_array()) in.reject("thoughts", "to be a list");
  const Json& thoughts = in.json()["thoughts"];
  for (const Json& shares : thoughts) {
    if (!shares.is_array() || !std::ranges::all_of(shares, pair)) in.reject("thoughts", "to hold [word, share] pairs");
    WordShares one;
    for (const Json& p : shares) {
      const auto share = p[1].get<double>();
      if (!(share >= 0 && share <= 1)) in.reject("thoughts", "to hold shares from 0 to 1");
      one.emplace_back(p[0].get<std::string>(), share);
    }
    reply.grid.thoughts.push_back(std::move(one));
  }
  return reply;
}

bool is_session(const Json& json) { return json.is_object() && json.contains("format") && json["format"] == kFormat; }

// A side as the file has it; the model that is loaded already where it is the same.
Thinker side_from(const Repl& repl, const Thinker& now, const JsonReader& in, int64_t latents) {
  in.only({"model", "method", "options"});
  const fs::path folder = in.string("model");
  const bool same = fs::absolute(now.loaded.directory).lexically_normal() == folder;
  LoadedModel loaded = same ? now.loaded : repl.open(folder);
  const std::string name = in.string("method");
  const bool counts = method(name, loaded.settings).counts_thoughts;
  return repl.thinker(std::move(loaded), name, counts ? latents : -1, in.object("options").json());
}

}  // namespace

void save_session(const Repl& repl, const fs::path& file) {
  std::error_code ignored;
  if (fs::exists(file, ignored)) {
    bool ours = false;
    try {
      ours = fs::is_regular_file(file, ignored) && is_session(read_json(file, "save"));
    } catch (const Error&) {}
    require(ours, "save", "expected a file of a session, or none, but ", file.string(), " is something else");
  }
  const ReplSettings& s = repl.settings;
  OrderedJson out = {{"format", kFormat}, {"version", kVersion}};
  out["settings"] = {{"seed", s.seed}, {"next", repl.next}, {"latents", s.latents}, {"recurrences", s.recurrences},
                     {"top", s.top},   {"width", s.width},  {"colour", s.colour}};
  out["words"] = json_of(repl.words);
  out["thoughts"] = json_of(repl.thoughts);
  out["question"] = {{"text", repl.question.text}, {"expected", repl.question.expected}};
  out["replies"] = OrderedJson::array();
  if (repl.replies) out["replies"] = {json_of((*repl.replies)[0]), json_of((*repl.replies)[1])};
  write_file_atomic(file, dump(out, 2) + "\n", "save");
}

void load_session(Repl& repl, const fs::path& file) {
  const std::string source = file.string();
  std::error_code ignored;  // what cannot be looked at, as for a name too long, read_json() says
  require(!fs::exists(file, ignored) || fs::is_regular_file(file, ignored), "load",
          "expected a file that /save wrote but ", source, " is no plain file");
  const Json json = read_json(file, "load");
  require(is_session(json), "load", "expected a file that /save wrote but got ", source);
  const JsonReader in(json, "load", source);
  in.only({"format", "version", "settings", "words", "thoughts", "question", "replies"});
  in.integer_in("version", kVersion, kVersion);
  const JsonReader settings = in.object("settings"), question = in.object("question");
  settings.only({"seed", "next", "latents", "recurrences", "top", "width", "colour"});
  question.only({"text", "expected"});

  Repl loaded = repl;  // all or nothing
  const Json& seed = settings.json().value("seed", Json());
  if (!seed.is_number_unsigned()) settings.reject("seed", "to be a whole number of at least 0");
  loaded.settings.seed = seed.get<uint64_t>();
  loaded.next = settings.integer_in("next", 0, int64_t{1} << 40);
  loaded.settings.latents = settings.integer_in("latents", -1, kMostThoughts);
  loaded.settings.recurrences = settings.integer_in("recurrences", 0, kMostRecurrences);
  loaded.settings.top = settings.integer_in("top", 1, 1000);
  loaded.settings.width = settings.integer_in("width", 0, kMostWidth);
  if (loaded.settings.width > 0 && loaded.settings.width < kLeastWidth)
    settings.reject("width", "to be 0 or from 20 to 1000");
  loaded.settings.colour = settings.string("colour");
  if (loaded.settings.colour != "auto" && loaded.settings.colour != "on" && loaded.settings.colour != "off")
    settings.reject("colour", "to be auto, on or off");
  loaded.words = side_from(loaded, repl.words, in.object("words"), -1);
  loaded.thoughts = side_from(loaded, repl.thoughts, in.object("thoughts"), loaded.settings.latents);
  if (loaded.settings.recurrences > 0 && !loaded.thinks_in_depth())
    settings.reject("recurrences", "to be 0 where neither side thinks in depth");
  Example example;
  example.question = question.string("text");
  example.answer = question.string("expected", "");
  loaded.question = loaded.question_about(example);
  if (loaded.about_graphs() && !loaded.question.text.empty()) {
    loaded.question.graph = parse_graph_question(loaded.question.text, "load");
    require_labels(*loaded.question.graph, loaded.labels(), "load");
  }
  loaded.replies.reset();
  const Json& replies = json.value("replies", Json::array());
  if (!replies.is_array() || (!replies.empty() && replies.size() != 2))
    in.reject("replies", "to hold two replies or none");
  if (!replies.empty()) {
    loaded.replies = {reply_from({replies[0], "load", source, "replies[0]"}, loaded.words, loaded.question.rule),
                      reply_from({replies[1], "load", source, "replies[1]"}, loaded.thoughts, loaded.question.rule)};
  }
  repl = std::move(loaded);
}

}  // namespace tacit
