#include <doctest/doctest.h>
#include <sys/stat.h>

#include "lib/core/files.h"
#include "lib/core/json.h"
#include "tests/apps/checkpoint.h"
#include "tests/apps/repl_support.h"

using namespace tacit;
using namespace tacit::test;

namespace {

std::string last_picture(const std::string& out) { return out.substr(out.rfind("Which can be reached")); }

}  // namespace

TEST_CASE("/save and /load: settings, question and replies come back, and go on from there") {
  const ScratchFolder scratch;
  const std::string file = (scratch / "session.json").string();
  const Finished saved = script("/seed 5\n/new\n/latents 2\n/set top 3\n/method thoughts coconut\n" +
                                std::string(kQuestion) + "\n/save " + file + "\n");
  CAPTURE(saved.err);
  REQUIRE(saved.code == 0);
  const Json json = read_json(file, "test");
  CHECK(json["format"] == "tacit repl session");
  CHECK(json["question"]["text"] == kQuestion);
  CHECK(json["replies"].size() == 2);
  const Finished loaded = script("/load " + file + "\n/seed\n/method\n/set top\n/set latents\n");
  CAPTURE(loaded.err);
  CHECK(loaded.code == 0);
  // The replies are those of then, to the millisecond.
  const std::string then = last_picture(saved.out), now = last_picture(loaded.out);
  CHECK(then.substr(0, then.find("saved ")) == now.substr(0, now.find("seed ")));
  CHECK(holds(loaded.out, "seed 5, next problem 1"));
  CHECK(holds(loaded.out, "words: cot   thoughts: coconut"));
  CHECK(holds(loaded.out, "top 3\n"));
  CHECK(holds(loaded.out, "latents 2\n"));
  CHECK(holds(script("/load " + file + "\n/new\n").out, "reach-5/1"));
  // A session's file is written anew, with the same content where nothing happened.
  const std::string before = read_file(file, "test");
  CHECK(script("/load " + file + "\n/save " + file + "\n").code == 0);
  CHECK(read_file(file, "test") == before);
}

TEST_CASE("a reply is saved with the method that made it and shown under that, whatever the sides are set to") {
  const ScratchFolder scratch;
  const std::string file = (scratch / "session.json").string(), question = std::string(kQuestion) + "\n";
  // Words that become no words, and the reverse.
  for (const auto& [then, later] : {std::pair("/method words cot\n/method thoughts coconut\n/latents 3\n",
                                              "/method words direct\n/method thoughts pause\n/latents 6\n"),
                                    std::pair("/method words direct\n/method thoughts pause\n/latents 3\n",
                                              "/method words cot\n/method thoughts coconut\n/latents 6\n")}) {
    CAPTURE(then);
    const Finished saved = script(then + question + later + "/save " + file + "\n");
    CAPTURE(saved.err);
    REQUIRE(saved.code == 0);
    const std::string shown = last_picture(saved.out);
    CHECK(last_picture(script("/load " + file + "\n").out) == shown.substr(0, shown.find("words: ")));
  }
  Json json = read_json(file, "test");
  json["replies"][0]["cut_off"] = true;
  write_file_atomic(file, json.dump(), "test");
  CHECK(holds(script("/load " + file + "\n").out, ", the cap"));
  // Files from before replies said it: they are taken for the saved sides'.
  for (Json& reply : json["replies"]) {
    reply.erase("method");
    reply.erase("in_words");
    reply.erase("cut_off");
  }
  write_file_atomic(file, json.dump(), "test");
  const Finished older = script("/load " + file + "\n");
  CHECK(older.code == 0);
  CHECK(holds(older.out, "words · cot · "));
  CHECK(holds(older.out, "thoughts · coconut · "));
}

TEST_CASE("/save leaves files of others alone, /load refuses them and changes nothing") {
  const ScratchFolder scratch;
  const auto path = [&](const char* name) { return (scratch / name).string(); };
  write_file_atomic(path("text"), "not JSON", "test");
  write_file_atomic(path("other.json"), "{\"format\": \"something\"}", "test");
  std::filesystem::create_directory(path("folder"));
  for (const char* name : {"text", "other.json", "folder"}) {
    const Finished done = script(std::string(kQuestion) + "\n/save " + path(name) + "\n");
    CHECK(done.code == 1);
    CHECK(holds(done.err, "is something else"));
  }
  CHECK(read_file(path("text"), "test") == "not JSON");
  CHECK(script("/save " + path("nowhere/at/all") + "\n").code == 1);

  REQUIRE(script("/seed 5\n" + std::string(kQuestion) + "\n/save " + path("good") + "\n").code == 0);
  const Json good = read_json(path("good"), "test");
  const auto broken = [&](const std::string& pointer, const Json& value) {
    Json json = good;
    json[Json::json_pointer(pointer)] = value;
    write_file_atomic(path("broken"), json.dump(), "test");
  };
  const std::vector<std::tuple<std::string, Json, std::string>> table = {
      {"/version", 2, "'version'"},
      {"/settings/seed", -1, "'settings.seed'"},
      {"/settings/top", 0, "'settings.top'"},
      {"/settings/colour", "blue", "'settings.colour'"},
      {"/settings/extra", 1, "extra"},
      {"/words/model", "/nowhere/at/all", "/nowhere/at/all"},
      {"/thoughts/method", "cocnut", "did you mean 'coconut'"},
      {"/thoughts/options", Json{{"nothing", 1}}, "nothing"},
      {"/question/text", "why", "one '[Q]' but got 0"},
      {"/replies", 7, "'replies'"},
      {"/replies/0/method", 7, "'replies[0].method'"},
      {"/replies/1/in_words", "yes", "'replies[1].in_words'"},
      {"/replies/0/cut_off", "yes", "'replies[0].cut_off'"},
      {"/replies/0/thoughts", Json{{1, 2}}, "[word, share] pairs"},
      {"/replies/1/thoughts", nullptr, "'replies[1].thoughts' to be a list"},
      {"/replies/1/thoughts/0/0/1", 1.5, "'replies[1].thoughts' to hold shares from 0 to 1"},
      {"/replies/1/thoughts/0/0/1", -0.1, "'replies[1].thoughts' to hold shares from 0 to 1"},
      {"/replies/0/ms", -1, "'replies[0].ms' to be milliseconds from 0 to 1e9"},
      {"/replies/0/ms", 1e300, "'replies[0].ms' to be milliseconds from 0 to 1e9"},
      {"/settings/width", 3, "'settings.width' to be 0 or from 20 to 1000"},
      {"/settings/recurrences", 3, "'settings.recurrences' to be 0 where neither side thinks in depth"},
  };
  for (const auto& [pointer, value, expected] : table) {
    CAPTURE(pointer);
    broken(pointer, value);
    const Finished done = script("/seed 3\n/load " + path("broken") + "\n/seed\n");
    CAPTURE(done.err);
    CHECK(done.code == 1);
    CHECK(lines_in(done.err) == 1);
    CHECK(holds(done.err, expected));
    CHECK(done.out.ends_with("seed 3, next problem 0\n"));
  }
}

TEST_CASE("/load takes plain files alone, and says which field a reply lacks") {
  const ScratchFolder scratch;
  const std::string file = (scratch / "session.json").string(), pipe = (scratch / "pipe").string();
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  for (const std::string& other : {pipe, std::string("/dev/zero"), scratch.path().string()}) {
    const Finished done = script("/load " + other + "\n");
    CHECK(done.code == 1);
    CHECK(holds(done.err, "[load] expected a file that /save wrote but " + other + " is no plain file"));
  }
  REQUIRE(script(std::string(kQuestion) + "\n/save " + file + "\n").code == 0);
  Json json = read_json(file, "test");
  json["replies"][1].erase("thoughts");
  write_file_atomic(file, json.dump(), "test");
  const Finished done = script("/load " + file + "\n");
  CHECK(done.code == 1);
  CHECK(holds(done.err, "'replies[1].thoughts'"));
  CHECK(holds(done.err, file));
  CHECK(!holds(done.err, "json.exception"));
}

TEST_CASE("nothing in a session's file reaches the terminal as an escape") {
  const ScratchFolder scratch;
  const std::string file = (scratch / "session.json").string(), escape = "a\x1b[2J";
  REQUIRE(script(std::string(kQuestion) + "\n/save " + file + "\n").code == 0);
  Json json = read_json(file, "test");
  for (Json& reply : json["replies"]) {
    reply["method"] = escape;
    reply["answer"] = escape;
    reply["words"] = {escape, "\u009b2J"};
  }
  json["replies"][1]["words"] = Json::array();
  json["replies"][1]["thoughts"] = Json::array({Json::array({Json::array({escape, 0.5})})});
  write_file_atomic(file, json.dump(), "test");
  const Finished done = script("/load " + file + "\n");
  CAPTURE(done.err);
  CHECK(done.code == 0);
  CHECK(!holds(done.out, "\x1b"));
  CHECK(!holds(done.out, "\xC2\x9B"));
  CHECK(holds(done.out, "answer a\\x1B[2J"));
  json["question"]["text"] = escape;
  write_file_atomic(file, json.dump(), "test");
  const Finished refused = script("/load " + file + "\n");
  CHECK(refused.code == 1);
  CHECK(!holds(refused.err, "\x1b"));
}

TEST_CASE("recurrences that were set go with the last model that has any, and this is said") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "flat", "coconut");
  write_deep_checkpoint(scratch / "deep");
  const std::string file = (scratch / "session.json").string();
  const Finished done = run_tacit({"repl", "--words", scratch / "flat", "--thoughts", scratch / "deep"},
                                  {.input = "/set recurrences 2\n/model thoughts " + (scratch / "flat").string() +
                                            "\n/set recurrences\n/save " + file + "\n/load " + file + "\n"});
  CAPTURE(done.err);
  CHECK(done.code == 0);
  CHECK(holds(done.out, "recurrences own: neither side thinks in depth\nrecurrences own\n"));
}

TEST_CASE("a path with spaces stands in quotes or has backslashes") {
  const ScratchFolder scratch;
  const std::string file = (scratch / "two words").string();
  const Finished done = script("/save \"" + file + "\"\n/load '" + file + "'\n/load " + (scratch / "two").string() +
                               "\\ words\n/load \"" + file + "\n/load " + file + "\n");
  CHECK(std::filesystem::exists(file));
  CHECK(lines_in(done.err) == 2);
  CHECK(holds(done.err, "expected the other \" of a path in quotes"));
  CHECK(holds(done.err, "expected '/load FILE' but got"));
}

TEST_CASE("a quote inside a name is a letter of it") {
  const ScratchFolder scratch;
  const std::string file = (scratch / "it's.json").string(), inches = (scratch / "9\"").string();
  const Finished done =
      script("/save " + file + "\n/load " + file + "\n/save " + inches + "\n/load \"" + file + "\"\n");
  CAPTURE(done.err);
  CHECK(done.code == 0);
  CHECK(std::filesystem::exists(file));
  CHECK(std::filesystem::exists(inches));
}

TEST_CASE("a name that no file can have is refused as any other, in the form of all messages") {
  const std::string name(300, 'x');
  const Finished done = script("/load " + name + "\n/save " + name + "\n/seed\n");
  CAPTURE(done.err);
  CHECK(done.code == 1);
  CHECK(lines_in(done.err) == 2);
  CHECK(done.err.starts_with("[load] "));
  CHECK(holds(done.err, "\n[save] "));
  CHECK(!holds(done.err, "filesystem error"));
}

TEST_CASE("names that hold escapes are told without them") {
  const ScratchFolder scratch;
  const std::string model = scratch / "a\x1b[2J", file = scratch / "b\x1b[2J";
  write_tiny_checkpoint(model, "direct", 1);
  const std::string lines = "/save " + file + "\n/load " + file + "\n" + kQuestion + "\n/compare " + model + "\n";
  const Finished done = script("/model words " + model + "\n" + lines);
  CAPTURE(done.err);
  CHECK(done.code == 0);
  CHECK(holds(done.out, "saved " + (scratch / "b\\x1B[2J").string()));
  CHECK(!holds(done.out, "\x1b"));
}

TEST_CASE("--strict ends at the first command that fails, with status 1") {
  const Finished done = script("/seed 1\n/nonsense\n/seed 2\n", {"--strict"});
  CHECK(done.code == 1);
  CHECK(lines_in(done.err) == 1);
  CHECK(done.out == "seed 1, next problem 0\n");
  CHECK(script("/seed 1\n/quit\n", {"--strict"}).code == 0);
}

TEST_CASE("a line that ends with a backslash goes on") {
  const Finished done = script("# a comment\n5 12 | 5 7 |\\\n12 3 | 7 9 |\\\n9 22 | 1 31 | [Q] 22 31 [R] 5\n/show\n");
  CHECK(done.code == 0);
  CHECK(holds(done.out, "(8 nodes, 6 edges)"));
  CHECK(done.out.ends_with(std::string(kQuestion) + "\n"));
}

TEST_CASE("a last line that ends with a backslash is run, and nothing goes on") {
  for (const char* end : {"\\", "\\\n"}) {
    const Finished done = script("/seed 3\n/seed" + std::string(end));
    CHECK(done.code == 0);
    CHECK(done.out == "seed 3, next problem 0\nseed 3, next problem 0\n");
  }
}

TEST_CASE("a transcript gives the same text again, times aside") {
  // At this width the sides stand above each other: beside each other their columns would depend on the times.
  const std::string transcript =
      "/set width 60\n/new 7\n/trace\n/lens 2\n/swap\n/branch 1\n/edit 1 3\n/new\n/latents 0\n/again\n/set\n";
  const auto without_times = [](std::string text) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const size_t dot = text.find(" ms", at);
      size_t end = std::min(dot, text.size());
      out.append(text, at, end - at);
      while (dot != std::string::npos && !out.empty() && (std::isdigit(out.back()) || out.back() == '.'))
        out.pop_back();
      at = dot == std::string::npos ? text.size() : dot + 3;
    }
    std::erase(out, ' ');  // a shorter time leaves more of them
    return out;
  };
  const Finished once = script(transcript, {"--threads", "1"}), again = script(transcript, {"--threads", "1"});
  CHECK(once.code == 0);
  CHECK(without_times(once.out) == without_times(again.out));
}
