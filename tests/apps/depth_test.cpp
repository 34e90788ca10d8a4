// Methods that think in depth, through the real command.
#include <doctest/doctest.h>

#include "lib/core/json.h"
#include "tests/apps/checkpoint.h"

using namespace tacit;
using namespace tacit::test;

namespace {

const std::string kReach = R"("batch": 2, "steps": 2, "validate_every": 2, "checkpoint_every": 2,
  "reach": {"min_nodes": 8, "max_nodes": 9, "min_depth": 1, "max_depth": 3, "labels": 28})";

const std::vector<std::string> kSmallGraphs = {"--min-nodes", "8", "--max-nodes", "9",
                                               "--min-depth", "1", "--max-depth", "3"};

struct Case {
  std::string method, model;
  std::vector<std::string> more;  // flags of the evaluation
};

}  // namespace

TEST_CASE("every method in depth trains, answers at several depths and records them") {
  const std::vector<Case> cases = {
      {"universal", R"({"hidden_size": 16, "intermediate_size": 16})", {"--option", "exit_kl=1000"}},
      {"huginn", R"({"n_embd": 16, "intermediate_size": 16})", {"--option", "exit_kl=1000"}},
      {"ouro", R"({"hidden_size": 16, "intermediate_size": 16})", {"--option", "exit_threshold=0"}},
      {"trm", R"({"hidden_size": 16, "expansion": 1, "seq_len": 128})", {}}};
  for (const Case& c : cases) {
    CAPTURE(c.method);
    const ScratchFolder scratch;
    put(scratch / "recipe.json", "{\"method\": \"" + c.method + "\", " + kReach + ", \"model\": " + c.model + "}");
    const Finished trained = run_tacit(
        {"train", "--config", scratch / "recipe.json", "--out", scratch / "model", "--threads", "1", "--json"});
    CAPTURE(trained.err);
    REQUIRE(trained.code == 0);
    CHECK(parse_json(trained.out, "test", "stdout")["validation"].contains("token_loss"));
    const auto evaluated = [&](const std::string& name, const std::vector<std::string>& more) {
      std::vector<std::string> args = {"eval", "--model", scratch / "model", "--task", "reach", "--count", "6"};
      args.insert(args.end(), {"--latency-problems", "2", "--threads", "1", "--out", scratch / name});
      args.insert(args.end(), kSmallGraphs.begin(), kSmallGraphs.end());
      args.insert(args.end(), more.begin(), more.end());
      const Finished done = run_tacit(args);
      CAPTURE(done.err);
      REQUIRE(done.code == 0);
      return std::pair(read_json(scratch / name / "run.json", "test"),
                       read_json(scratch / name / "metrics.json", "test"));
    };
    const auto [own, own_metrics] = evaluated("own", {});
    CHECK(own["recurrences"] == 4);
    CHECK(own["method"] == c.method);
    CHECK(own_metrics["examples"] == 6);
    CHECK_FALSE(own_metrics.contains("mean_recurrences"));
    CHECK(evaluated("deep", {"--recurrences", "7"}).first["recurrences"] == 7);
    if (!c.more.empty()) {
      const auto [early, metrics] = evaluated("early", c.more);
      // Everybody leaves as soon as the rule lets them go.
      CHECK(metrics["mean_recurrences"] == (c.method == "ouro" ? 1 : 2));
    }
    std::vector<std::string> run = {"run", "--model", scratch / "model", "--task", "reach", "--recurrences", "2"};
    run.insert(run.end(), kSmallGraphs.begin(), kSmallGraphs.end());
    CHECK(run_tacit(run).code == 0);
    const Finished refused =
        run_tacit({"eval", "--model", scratch / "model", "--option", "exit_kl=-1", "--count", "2"});
    CHECK(refused.code != 0);
  }
}
