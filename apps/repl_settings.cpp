#include "apps/repl_settings.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "apps/options.h"
#include "apps/runtime.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

// "auto" or "own" for the number that stands for it.
std::string number_or(int64_t value, int64_t none, const char* name) {
  return value == none ? name : std::to_string(value);
}

void set_colour(Repl& repl, const std::string& value) {
  const std::vector<std::string> known = {"auto", "on", "off"};
  require(std::ranges::count(known, value) == 1, "repl", "expected auto, on or off but got '", value, "'",
          did_you_mean(value, known));
  repl.settings.colour = value;
}

void set_recurrences(Repl& repl, const std::string& value) {
  const int64_t recurrences = value == "own" ? 0 : parse_count(value, "a number of recurrences", 1, kMostRecurrences);
  const auto deep = [](const Thinker& side) { return side.loaded.model->config().depth.recurrent; };
  require(recurrences == 0 || repl.thinks_in_depth(), "repl",
          "expected a model with recurrent depth but neither side has it");
  const auto with = [&](const Thinker& side) {
    const int64_t latents = repl.latents_for(side, side.loaded, side.method);
    return make_thinker(LoadedModel(side.loaded), side.method, latents, deep(side) ? recurrences : 0, side.options);
  };
  Thinker words = with(repl.words);
  repl.thoughts = with(repl.thoughts);
  repl.words = std::move(words);
  repl.settings.recurrences = recurrences;
}

void set_option(Repl& repl, const std::string& side_name, const std::string& name, const std::string& value) {
  Thinker& side = repl.side(side_name, "words|thoughts");
  Json options = side.options;
  options.update(parse_method_options({name + "=" + value}));
  side = repl.thinker(LoadedModel(side.loaded), side.method, repl.latents_for(side, side.loaded, side.method), options);
}

std::string option_text(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

std::vector<ReplSetting> fixed_settings() {
  return {
      {"colour",
       "on, off, or auto: on a terminal",
       [](const Repl& r) { return r.settings.colour; },
       set_colour,
       {"auto", "on", "off"}},
      {"width",
       "columns of pictures and tables, or auto: the terminal's",
       [](const Repl& r) { return number_or(r.settings.width, 0, "auto"); },
       [](Repl& r, const std::string& value) {
         r.settings.width = value == "auto" ? 0 : parse_count(value, "a number of columns", kLeastWidth, kMostWidth);
       },
       {"auto"}},
      {"seed", "of fresh problems, as /seed", [](const Repl& r) { return std::to_string(r.settings.seed); },
       [](Repl& r, const std::string& value) {
         r.settings.seed = parse_seed(value);
         r.next = 0;
       }},
      {"latents",
       "thoughts to take, as /latents, or own: the checkpoint's",
       [](const Repl& r) { return number_or(r.settings.latents, -1, "own"); },
       [](Repl& r, const std::string& value) {
         set_latents(r, value == "own" ? -1 : parse_count(value, "a number of thoughts", 0));
       },
       {"own"}},
      {"recurrences",
       "runs of the shared blocks of models that think in depth, or own",
       [](const Repl& r) { return number_or(r.settings.recurrences, 0, "own"); },
       set_recurrences,
       {"own"}},
      {"top", "tokens that /lens shows of a thought", [](const Repl& r) { return std::to_string(r.settings.top); },
       [](Repl& r, const std::string& value) { r.settings.top = parse_count(value, "a number of tokens", 1, 1000); }},
      {"threads", "CPU threads; of the machine, so /save leaves them out",
       [](const Repl&) { return std::to_string(at::get_num_threads()); },
       [](Repl&, const std::string& value) { use_threads(parse_count(value, "a number of threads", 1, 1024)); }},
  };
}

}  // namespace

void set_latents(Repl& repl, int64_t latents) {
  Thinker& side = repl.thoughts;
  side = repl.thinker(LoadedModel(side.loaded), side.method, latents, side.options);
  repl.settings.latents = latents;
}

std::vector<ReplSetting> repl_settings(const Repl& repl) {
  std::vector<ReplSetting> all = fixed_settings();
  for (const auto& [side_name, side] : {std::pair("thoughts", &repl.thoughts), std::pair("words", &repl.words)}) {
    for (const auto& [option, value] : side->procedure.options.items()) {
      const std::string prefix = side_name;
      all.push_back({prefix + "." + option, "option of method " + side->method,
                     [value = option_text(value)](const Repl&) { return value; },
                     [prefix, name = option](Repl& r, const std::string& to) { set_option(r, prefix, name, to); }});
    }
  }
  return all;
}

}  // namespace tacit
