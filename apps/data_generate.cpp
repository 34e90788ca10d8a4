#include <iostream>

#include "apps/command.h"
#include "apps/data_commands.h"
#include "apps/progress_bar.h"
#include "apps/reach_options.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

void only_one(const Options& options, const std::string& what, const std::string& got, const std::string& known) {
  if (got != known)
    options.reject("expected the " + what + " " + known + " but got '" + got + "'" + did_you_mean(got, {known}));
}

void write_to(const std::filesystem::path& out, const std::vector<Example>& examples) {
  write_examples(out, examples);
  std::cerr << "tacit: wrote " << examples.size() << " examples to " << out.string() << "\n";
}

}  // namespace

int data_generate(const std::vector<std::string>& args) {
  std::string name;
  int64_t count = 300;
  uint64_t seed = 0;
  std::filesystem::path out;
  ReachFlags flags;
  Options options("data generate",
                  "Generated problems as JSON lines. The same seed gives the same bytes on every machine.",
                  "tacit data generate reach --count 1000 --seed 7 --out reach.jsonl");
  options.positional("TASK", &name, "reach");
  options.add("count", "N", &count, "problems (default 300)", 1);
  options.add("seed", "N", &seed, "(default 0)");
  options.add("out", "FILE", &out, "file to write");
  flags.add_text(options);
  flags.add_generator(options);
  if (!options.parse(args)) return kDone;
  only_one(options, "task", name, "reach");
  options.require_option("out");

  ReachOptions reach;
  flags.apply(reach);
  flags.check(options, ReachSource::generator, reach.style);
  const ProgressCallback progress = progress_bar();
  std::vector<Example> examples;
  for (int64_t i = 0; i < count; ++i) {
    examples.push_back(reach_example(reach, seed, i));
    if (!progress({"generate", i + 1, count, ""})) throw Interrupted("generate", "stopped; nothing was written");
  }
  write_to(out, examples);
  return kDone;
}

int data_convert(const std::vector<std::string>& args) {
  std::string name, input;
  uint64_t seed = 0;
  std::filesystem::path out;
  ReachFlags flags;
  Options options("data convert", "A benchmark's own file as JSON lines.",
                  "curl -LO https://raw.githubusercontent.com/facebookresearch/coconut/main/data/prosqa_valid.json\n"
                  "tacit data convert prosqa prosqa_valid.json --style symbols --out prosqa.jsonl");
  options.positional("FORMAT", &name, "prosqa");
  options.positional("FILE", &input, "ProsQA's JSON");
  flags.add_text(options);
  options.add("seed", "N", &seed, "of labels and orders in symbols (default 0)");
  options.add("out", "FILE", &out, "file to write");
  if (!options.parse(args)) return kDone;
  only_one(options, "format", name, "prosqa");
  options.require_option("out");

  ReachOptions reach;
  flags.apply(reach);
  flags.check(options, ReachSource::prosqa, reach.style);
  write_to(out, read_prosqa(input, reach.style, reach.labels, seed));
  return kDone;
}

}  // namespace tacit
