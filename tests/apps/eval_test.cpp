#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "eval/sample.h"
#include "tests/apps/checkpoint.h"

using namespace tacit;
using namespace tacit::test;

namespace {

const std::vector<std::string> kSmall = {"--task", "reach",     "--count", "6", "--seed", "3", "--latency-problems",
                                         "0",      "--threads", "1"};

}  // namespace

TEST_CASE("eval --out: the run's files, metrics.json printed, the same command resumes") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  const std::vector<std::string> command =
      std::vector<std::string>{"eval", "--model", scratch / "model", "--out", scratch / "run", "--json"} + kSmall;
  const Finished first = run_tacit(command);
  CAPTURE(first.err);
  REQUIRE(first.code == 0);
  for (const char* file : {"run.json", "samples.jsonl", "metrics.json"})
    CHECK(std::filesystem::exists(scratch / "run" / file));
  Json printed = Json::parse(first.out);
  CHECK(printed.at("run") == read_json(scratch / "run/run.json", "test"));
  printed.erase("run");
  CHECK(printed == read_json(scratch / "run/metrics.json", "test"));
  CHECK(Json::parse(first.out).at("examples") == 6);
  CHECK_FALSE(holds(first.err, "finished before"));
  const Finished again = run_tacit(command);
  CHECK(again.out == first.out);
  CHECK(holds(again.err, "run was finished before"));
  const Finished other = run_tacit(command + std::vector<std::string>{"--latents", "1"});
  CHECK(other.code == 1);
  CHECK(holds(other.err, "run.json"));
}

TEST_CASE("eval: a table without --json, the file of a benchmark with --data") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  REQUIRE(run_tacit({"data", "generate", "reach", "--count", "4", "--labels", "28", "--out", scratch / "reach.jsonl"})
              .code == 0);
  const Finished result =
      run_tacit({"eval", "--model", scratch / "model", "--data", scratch / "reach.jsonl", "--latency-problems", "1"});
  CAPTURE(result.err);
  CHECK(result.code == 0);
  CHECK(holds(result.out, "model"));
  CHECK_FALSE(holds(result.out, "front"));  // of one row there is none
}

TEST_CASE("compare: models side by side, their runs again from the folders, reports written") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "thinks", "coconut", 1);
  write_checkpoint(scratch / "writes", "cot", 2);
  const Finished table = run_tacit(std::vector<std::string>{"compare", "--model", scratch / "thinks", "--model",
                                                            scratch / "writes", "--out", scratch / "report", "--json"} +
                                   kSmall);
  CAPTURE(table.err);
  REQUIRE(table.code == 0);
  const Json json = Json::parse(table.out);
  CHECK(json.at("baseline") == "writes");
  CHECK(json.at("examples") == 6);
  CHECK(json == Json::parse(read_file(scratch / "report/compare.json", "test")));
  const std::string markdown = read_file(scratch / "report/compare.md", "test");
  CHECK(holds(markdown, "| "));
  CHECK(holds(markdown, "\n    tacit compare --model " + (scratch / "thinks").string()));
  CHECK(json.at("provenance").at("by_row").at("weights_sha256").size() == 2);
  const Finished again =
      run_tacit({"compare", "--runs", scratch / "report/runs/thinks", "--runs", scratch / "report/runs/writes"});
  CAPTURE(again.err);
  CHECK(again.code == 0);
  CHECK(holds(again.out, "thinks"));
  const std::string other = scratch / "other";
  REQUIRE(run_tacit(std::vector<std::string>{"eval", "--model", scratch / "writes", "--out", other, "--task", "reach",
                                             "--count", "6", "--seed", "4", "--latency-problems", "0"})
              .code == 0);
  const Finished mixed = run_tacit({"compare", "--runs", scratch / "report/runs/thinks", "--runs", other});
  CHECK(mixed.code == 1);
  CHECK(holds(mixed.err, "expected runs on the same problems but got 'seed' of 3"));
  const Finished methods =
      run_tacit(std::vector<std::string>{"compare", "--model", scratch / "thinks", "--model", scratch / "thinks",
                                         "--method", "coconut", "--method", "direct", "--markdown"} +
                kSmall);
  CAPTURE(methods.err);
  CHECK(methods.code == 0);
  CHECK(holds(methods.out, "thinks-direct"));
}

TEST_CASE("--weights int8: recorded, noticed when a run is resumed or compared, refused where no step can read it") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "plain");
  const auto eval = [&](const char* model, const char* out) {
    return std::vector<std::string>{"eval", "--model", scratch / model, "--out", scratch / out} + kSmall;
  };
  const std::vector<std::string> int8 = {"--weights", "int8"};
  const Finished first = run_tacit(eval("plain", "int8") + int8);
  CAPTURE(first.err);
  REQUIRE(first.code == 0);
  CHECK(read_json(scratch / "int8/run.json", "test").at("weights") == "int8");
  const Finished other = run_tacit(eval("plain", "int8"));
  CHECK(other.code == 1);
  CHECK(holds(other.err, "'weights' of \"int8\", as the run in this folder has, but got"));
  REQUIRE(run_tacit(eval("plain", "fp32")).code == 0);
  CHECK(read_json(scratch / "fp32/run.json", "test").at("weights") == "dtype");
  const Finished both = run_tacit(
      {"compare", "--runs", "a=" + std::string(scratch / "int8"), "--runs", "b=" + std::string(scratch / "fp32")});
  CAPTURE(both.err);
  CHECK(both.code == 0);
  CHECK(holds(both.out, "format of weights differs: a int8, b dtype"));
  const Finished half = run_tacit(eval("plain", "half") + int8 + std::vector<std::string>{"--dtype", "fp16"});
  CHECK(half.code == 2);
  CHECK(holds(half.err, "expected '--dtype fp32' or 'bf16' beside '--weights int8' on cpu but got 'fp16'"));
  const auto ran = [&](const std::vector<std::string>& more) {
    const Finished done = run_tacit(std::vector<std::string>{"run", "--model", scratch / "plain", "--question",
                                                             question(), "--json", "--threads", "1"} +
                                    more);
    CAPTURE(done.err);
    REQUIRE(done.code == 0);
    return Json::parse(done.out).at("thoughts");
  };
  CHECK(ran({}) == ran({"--weights", "dtype"}));
  CHECK(ran({}) != ran(int8));  // shares of words, which rounding moves
}

TEST_CASE("eval, run, probe and verbalise say in what numbers they computed") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "plain");
  const auto said = [&](std::vector<std::string> command, const std::vector<std::string>& more) {
    const Finished done = run_tacit(command + std::vector<std::string>{"--model", scratch / "plain"} + more);
    CAPTURE(command);
    CAPTURE(done.err);
    REQUIRE(done.code == 0);
    return done.out;
  };
  const std::vector<std::string> rounded = {"--dtype", "bf16", "--weights", "int8"}, json = {"--json"};
  const Json run = Json::parse(said({"eval"}, kSmall + rounded + json)).at("run");
  CHECK(run.at("dtype") == "bf16");
  CHECK(run.at("weights") == "int8");
  CHECK(run.at("device") == "cpu");
  CHECK(holds(said({"eval"}, kSmall + rounded), " problems, bf16, weights in int8\n"));
  CHECK(holds(said({"eval"}, kSmall), " problems\n"));
  const std::vector<std::string> asked = {"--question", question()};
  CHECK(holds(said({"run"}, asked + rounded), " ms, bf16, weights in int8\n"));
  CHECK(holds(said({"run"}, asked), " ms\n"));
  for (const auto& [command, flags] : std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>>{
           {{"run"}, asked},
           {{"probe", "dimension"}, {"--task", "reach", "--count", "6"}},
           {{"verbalise"}, {"--task", "reach", "--count", "2"}}}) {
    const Json plain = Json::parse(said(command, flags + json));
    CHECK(plain.at("dtype") == "fp32");
    CHECK(plain.at("weights") == "dtype");
    CHECK(Json::parse(said(command, flags + rounded + json)).at("dtype") == "bf16");
  }
}

TEST_CASE("--recurrences: how long a model thinks in depth, recorded, and noticed when a run is resumed") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "plain");
  write_deep_checkpoint(scratch / "deep");
  const std::vector<std::string> eval =
      std::vector<std::string>{"eval", "--model", scratch / "deep", "--out", scratch / "run"} + kSmall;
  const Finished first = run_tacit(eval + std::vector<std::string>{"--recurrences", "2"});
  CAPTURE(first.err);
  REQUIRE(first.code == 0);
  CHECK(read_json(scratch / "run/run.json", "test").at("recurrences") == 2);
  const Finished other = run_tacit(eval);  // the checkpoint's own, 3
  CHECK(other.code == 1);
  CHECK(holds(other.err, "'recurrences' of 2, as the run in this folder has, but got 3"));
  const Finished both = run_tacit(std::vector<std::string>{"compare", "--model", scratch / "deep", "--model",
                                                           scratch / "plain", "--recurrences", "2", "--json"} +
                                  kSmall);
  CAPTURE(both.err);
  REQUIRE(both.code == 0);
  const Json by_row = Json::parse(both.out).at("provenance").at("by_row").at("recurrences");
  CHECK(by_row == Json{{"deep", 2}, {"plain", nullptr}});
  const auto thoughts = [&](const char* recurrences) {
    const Finished done = run_tacit({"run", "--model", scratch / "deep", "--question", question(), "--recurrences",
                                     recurrences, "--json", "--threads", "1"});
    REQUIRE(done.code == 0);
    return Json::parse(done.out).at("thoughts");
  };
  CHECK(thoughts("3") != thoughts("1"));
  CHECK(thoughts("3") ==
        Json::parse(
            run_tacit({"run", "--model", scratch / "deep", "--question", question(), "--json", "--threads", "1"}).out)
            .at("thoughts"));
  const auto repl = [&](const char* thoughts) {
    return run_tacit({"repl", "--words", scratch / "plain", "--thoughts", scratch / thoughts, "--recurrences", "2"},
                     {.input = question() + "\n"});
  };
  CHECK(repl("deep").code == 0);
  CHECK(repl("plain").code == 1);
  CHECK(holds(repl("plain").err, "beside --recurrences but neither has it"));
}

TEST_CASE("--intervene and --halt: shown as the method, recorded; compare sets changed rows beside the clean one") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "thinks");
  write_checkpoint(scratch / "answers", "direct");
  const auto eval = [&](const std::vector<std::string>& more) {
    const Finished done =
        run_tacit(std::vector<std::string>{"eval", "--model", scratch / "thinks", "--json"} + kSmall + more);
    CAPTURE(done.err);
    REQUIRE(done.code == 0);
    return Json::parse(done.out);
  };
  CHECK(eval({"--intervene", "swap"}).at("method") == "coconut +swap");
  CHECK(eval({"--intervene", "zero"}).at("ms_median").is_null());
  const Json halted = eval({"--halt", "flops:0"});
  CHECK(halted.at("method") == "coconut, flops:0");
  CHECK(halted.at("mean_steps") == 0);
  const Finished table =
      run_tacit(std::vector<std::string>{"compare", "--model", scratch / "thinks", "--model", scratch / "answers",
                                         "--interventions", "all", "--json", "--out", scratch / "report"} +
                kSmall);
  CAPTURE(table.err);
  REQUIRE(table.code == 0);
  const Json rows = Json::parse(table.out).at("rows");
  REQUIRE(rows.size() == 8);  // a clean one and six changed, and the model without thoughts once
  CHECK(rows[1].at("name") == "thinks +truncate:0");
  CHECK(rows[1].at("mean_steps") == 0);
  CHECK(rows[4].at("name") == "thinks +noise");
  CHECK(rows[4].at("clean").at("against") == "thinks");
  CHECK(rows[7].at("name") == "answers");
  CHECK_FALSE(rows[7].contains("clean"));
  CHECK(exists(scratch / "report/runs/thinks+truncate-0/run.json"));
  const Finished short_one = run_tacit(std::vector<std::string>{"compare", "--model", scratch / "thinks", "--latents",
                                                                "1", "--interventions", "all", "--json"} +
                                       kSmall);
  CAPTURE(short_one.err);
  REQUIRE(short_one.code == 0);
  CHECK(Json::parse(short_one.out).at("rows").size() == 6);  // one thought has no other order
  const Finished one = run_tacit({"run", "--model", scratch / "thinks", "--question", question(), "--halt",
                                  "convergence:1000000", "--json", "--threads", "1"});
  CAPTURE(one.err);
  REQUIRE(one.code == 0);
  CHECK(Json::parse(one.out).at("steps") == 1);
  CHECK(Json::parse(one.out).at("expected") == "8");  // as the graph of the question says
}

TEST_CASE("run: a question or an example of a task is answered") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  write_checkpoint(scratch / "words", "cot");
  for (const char* name : {"model", "words"}) {
    const Finished result = run_tacit({"run", "--model", scratch / name, "--question", question()});
    CAPTURE(result.err);
    CHECK(result.code == 0);
    CHECK(holds(result.out, "answer"));
  }
  const Finished json = run_tacit({"run", "--model", scratch / "model", "--task", "reach", "--index", "2", "--json"});
  CAPTURE(json.err);
  REQUIRE(json.code == 0);
  CHECK(Json::parse(json.out).at("thoughts").size() == 3);
}

TEST_CASE("run: a graph of which both candidates or none can be reached has no right answer") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  const auto told = [&](const char* asked) {
    return run_tacit({"run", "--model", scratch / "model", "--question", asked}).out;
  };
  CHECK(holds(told("3 5 | 5 8 | 3 9 | [Q] 8 9 [R] 3"), "no one answer is right: both candidates can be reached"));
  CHECK(holds(told("3 5 | 5 8 | 2 9 | [Q] 7 9 [R] 3"), "no one answer is right: neither candidate can be reached"));
  CHECK_FALSE(holds(told("3 5 | 5 8 | 2 9 | [Q] 8 9 [R] 3"), "no one answer"));
}

TEST_CASE("--repeats: what draws is repeated, with draws of its own") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  const auto eval = [&](const std::vector<std::string>& more) {
    const std::filesystem::path out = scratch / more[1];
    const Finished done =
        run_tacit(std::vector<std::string>{"eval", "--model", scratch / "model", "--count", "3", "--latency-problems",
                                           "0", "--json", "--repeats", "2", "--out", out} +
                  more);
    CAPTURE(done.err);
    REQUIRE(done.code == 0);
    CHECK(Json::parse(done.out).at("examples") == 6);
    std::map<std::string, std::set<std::string>> by_problem;
    for (const Sample& sample : read_samples(out / "samples.jsonl", "test"))
      by_problem[sample.id].insert(sample.thoughts + " / " + sample.text);
    CHECK(by_problem.size() == 3);
    CAPTURE(more[1]);
    CHECK(std::ranges::any_of(by_problem, [](const auto& one) { return one.second.size() == 2; }));
  };
  eval({"--decode", "sample"});
  eval({"--intervene", "noise"});
  eval({"--method", "soft-thinking", "--option", "noise=dirichlet"});
}

TEST_CASE("options that would do nothing to the problems are refused, not recorded") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  const std::string data = scratch / "reach.jsonl", out = scratch / "out";
  REQUIRE(run_tacit({"data", "generate", "reach", "--count", "4", "--labels", "28", "--out", data}).code == 0);
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"eval", "--model", scratch / "model", "--out", out},
        std::vector<std::string>{"compare", "--model", scratch / "model", "--out", out},
        std::vector<std::string>{"run", "--model", scratch / "model"}, std::vector<std::string>{"data", "audit"},
        std::vector<std::string>{"data", "show"}}) {
    for (const auto& [option, value] : {std::pair{"--style", "english"}, {"--labels", "99"}, {"--seed", "4"}}) {
      const bool by_name = command[0] != "data";
      std::vector<std::string> args = command;
      if (by_name) args.push_back("--data");
      const Finished result = run_tacit(args + std::vector<std::string>{data, option, value});
      CAPTURE(command[0]);
      CAPTURE(option);
      CAPTURE(result.err);
      CHECK(result.code == 2);
      CHECK(holds(result.err, std::string("'") + option + "' only with "));
      CHECK_FALSE(std::filesystem::exists(out));
    }
  }
}

TEST_CASE("compare: a model that cannot be run is refused before the first one runs") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "good");
  write_checkpoint(scratch / "torn", "cot");
  const std::string weights = read_file(scratch / "torn/model.safetensors", "test");
  put(scratch / "torn/model.safetensors", weights.substr(0, weights.size() / 2));
  write_checkpoint(scratch / "narrow", "cot");
  put(scratch / "narrow/tokenizer.json", word_tokenizer_json({"1", "2"}));
  Json config = read_json(scratch / "good/config.json", "test");
  config["tacit"]["labels"] = kLabels - 4;  // other problems, in words that it knows
  std::filesystem::copy(scratch / "good", scratch / "other");
  put(scratch / "other/config.json", config.dump());
  for (const char* second : {"torn", "narrow", "other"}) {
    const Finished result =
        run_tacit(std::vector<std::string>{"compare", "--model", scratch / "good", "--model", scratch / second,
                                           "--max-nodes", "20", "--out", scratch / "out"} +
                  kSmall);
    CAPTURE(second);
    CAPTURE(result.err);
    CHECK(result.code == 1);
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);  // no line of progress
    if (second == std::string("other")) CHECK(holds(result.err, "on the same problems but got 'labels' of 28 (good)"));
    CHECK_FALSE(std::filesystem::exists(scratch / "out"));
  }
}

TEST_CASE("eval, compare and run: bad input gives one line, nothing is written") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  put(scratch / "broken.jsonl", "{\"id\": 1}\n");
  write_checkpoint(scratch / "lying");
  const std::string weights = read_file(scratch / "lying/model.safetensors", "test");
  put(scratch / "lying/model.safetensors", weights.substr(0, weights.size() / 2));
  const std::string model = scratch / "model", out = scratch / "out", proofs = scratch / "proofs.json";
  put(proofs, R"({"name": "proofs", "summary": "Chains", "format": "tsv", "data": "proofs.tsv",
    "fields": {"question": "a", "answer": "b"}, "prompt": "{question}", "scorers": ["proof"]})");
  put(scratch / "proofs.tsv", "a\tb\n1 2\t3\n");
  struct Case {
    std::vector<std::string> args;
    std::string message;
    int code = 1;
  };
  const std::vector<Case> cases = {
      {{"eval", "--model", scratch / "nowhere", "--out", out}, "there is none at " + (scratch / "nowhere").string()},
      {{"eval", "--model", scratch / "lying", "--out", out}, "model.safetensors"},
      {{"eval", "--model", model, "--method", "frontir", "--out", out}, "did you mean 'frontier'?", 2},
      {{"eval", "--model", model, "--task", "prosq", "--out", out}, "did you mean 'prosqa'?", 2},
      {{"compare", "--model", model, "--method", "cott", "--out", out}, "did you mean 'cot'?", 2},
      {{"compare", "--model", model, "--task", "raech", "--out", out}, "did you mean 'reach'?", 2},
      {{"run", "--model", model, "--method", "cott"}, "did you mean 'cot'?", 2},
      {{"run", "--model", model, "--task", "raech"}, "did you mean 'reach'?", 2},
      {{"run", "--model", model, "--recurrences", "2"}, "without recurrent depth but got 2", 2},
      {{"eval", "--model", model, "--recurrences", "2", "--out", out}, "without recurrent depth but got 2", 2},
      {{"eval", "--model", model, "--method", "direct", "--latents", "3", "--out", out},
       "method 'direct', which takes none, but got 3",
       2},
      {{"compare", "--model", model, "--recurrences", "2", "--out", out}, "beside --recurrences but none", 2},
      {{"compare", "--runs", model, "--recurrences", "2"}, "no '--recurrences' beside '--runs'", 2},
      {{"eval", "--model", model, "--data", scratch / "nowhere", "--out", out}, "nowhere"},
      {{"eval", "--model", model, "--data", scratch / "broken.jsonl", "--out", out}, "line 1"},
      {{"compare", "--model", model, "--baseline", "modle", "--out", out}, "did you mean 'model'?", 2},
      {{"eval", "--model", model, "--intervene", "swapp", "--out", out}, "did you mean 'swap'?", 2},
      {{"eval", "--model", model, "--intervene", "freeze:0", "--out", out}, "expected 'freeze:K'", 2},
      {{"eval", "--model", model, "--intervene", "truncate:3", "--out", out}, "expected fewer thoughts than the 3"},
      {{"eval", "--model", model, "--intervene", "freeze:4", "--out", out}, "expected fewer thoughts than the 3"},
      {{"eval", "--model", model, "--intervene", "perturb:0", "--out", out}, "expected noise of a size above 0"},
      {{"eval", "--model", model, "--latents", "1", "--intervene", "permute", "--out", out},
       "expected a method that takes at least 2 thoughts"},
      {{"eval", "--model", model, "--repeats", "2", "--out", out}, "all 2 repeats would be the same", 2},
      {{"eval", "--model", model, "--repeats", "2", "--intervene", "zero", "--out", out}, "would be the same", 2},
      {{"eval", "--model", model, "--method", "soft-thinking", "--repeats", "2", "--out", out}, "be the same", 2},
      {{"eval", "--model", model, "--method", "icot", "--option", "smoothing=2.0", "--out", out},
       "'smoothing', which method 'icot' does not read to answer",
       2},
      {{"compare", "--model", model, "--method", "icot", "--option", "smoothing=2.0", "--out", out},
       "'smoothing', which none of these methods reads to answer",
       2},
      {{"eval", "--model", model, "--method", "icot", "--option", "smoothin=2", "--out", out},
       "expected an option of method 'icot' for '--option' but got 'smoothin', did you mean 'smoothing'?",
       2},
      {{"eval", "--model", model, "--max-nodes", "40", "--out", out},
       "expected graphs of at most 28 nodes, as many as the checkpoint has labels ('--max-nodes'), but got up to 40",
       2},
      {{"eval", "--model", model, "--method", "trm", "--out", out}, "expected a model of family trm"},
      {{"run", "--model", model, "--method", "huginn"}, "expected a model of family huginn_raven"},
      {{"run", "--model", model, "--task", proofs, "--decode", "vote:3"}, "reads the answer alone beside 'vote:3'"},
      {{"run", "--model", model, "--style", "english"}, "expected '--style symbols', which the checkpoint was", 2},
      {{"eval", "--model", model, "--style", "english", "--out", out}, "the checkpoint was trained on style symbols"},
      {{"eval", "--model", model, "--method", "direct", "--intervene", "zero", "--out", out},
       "expected a method that takes thoughts but got 'direct'"},
      {{"eval", "--model", model, "--method", "direct", "--halt", "entropy:1", "--out", out},
       "expected a method that takes thoughts but got 'direct'"},
      {{"run", "--model", model, "--method", "direct", "--halt", "entropy:1"},
       "expected a method that takes thoughts but got 'direct'"},
      {{"eval", "--model", model, "--intervention-seed", "3", "--out", out}, "only with --intervene", 2},
      {{"eval", "--model", model, "--halt", "entropie:1", "--out", out}, "did you mean 'entropy'?", 2},
      {{"eval", "--model", model, "--halt", "learned", "--out", out}, "a head that halts (method 'halting')"},
      {{"run", "--model", model, "--halt", "oracle"}, "only in an evaluation", 2},
      {{"compare", "--model", model, "--interventions", "zero,zero", "--out", out}, "'zero' is given twice", 2},
      {{"compare", "--model", model, "--interventions", "zero,", "--out", out}, "expected one of zero, mean", 2},
      {{"compare", "--model", model, "--method", "direct", "--interventions", "zero", "--out", out},
       "expected a model that takes thoughts",
       2},
      {{"compare", "--runs", model, "--interventions", "zero"}, "no '--interventions' beside '--runs'", 2},
      {{"compare", "--model", model, "--model", model, "--out", out}, "different names"},
      {{"compare", "--runs", scratch / "nowhere", "--out", out}, "nowhere"},
      {{"run", "--model", model, "--question", "3 5"}, "[Q]"},
      {{"run", "--model", model, "--task", "reach", "--data", scratch / "nowhere"}, "nowhere"},
      {{"convert", "llama2c", "--checkpoint", scratch / "broken.jsonl", "--out", out}, "broken.jsonl"},
  };
  for (const Case& c : cases) {
    const Finished result = run_tacit(c.args);
    CAPTURE(c.message);
    CAPTURE(result.err);
    CHECK(result.code == c.code);
    CHECK(holds(result.err, c.message));
    CHECK(result.err.starts_with("tacit: ["));
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    CHECK(result.out.empty());
    CHECK_FALSE(std::filesystem::exists(out));
  }
}
