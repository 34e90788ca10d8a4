#include "apps/render_table.h"
#include "apps/repl_command.h"
#include "apps/repl_settings.h"
#include "apps/thought_readout.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"
#include "lib/model/arithmetic.h"

namespace tacit {
namespace {

using Arguments = Repl::Arguments;
using Words = std::vector<std::string>;

void latents(Repl& repl, const Arguments& args) {
  set_latents(repl, args.empty() ? -1 : parse_count(args[0], "a number of thoughts", 0));
  repl.print({"thoughts: up to " + std::to_string(repl.thoughts.procedure.max_thoughts())});
}

void set_method(Repl& repl, const Arguments& args) {
  if (!args.empty()) {
    require(args.size() == 2, "repl", "expected '/method words|thoughts NAME' but got no NAME");
    Thinker& chosen = repl.side(args[0], "/method words|thoughts NAME");
    require_method(chosen.loaded, args[1], "name one, as in /method " + args[0] + " cot");
    chosen = repl.thinker(LoadedModel(chosen.loaded), args[1], repl.latents_for(chosen, chosen.loaded, args[1]));
  }
  repl.print({"words: " + repl.words.method + "   thoughts: " + repl.thoughts.method});
}

void print_model(const Repl& repl, const std::string& name, const Thinker& side) {
  repl.print(fold_text(name + ": " + printable(side.loaded.directory.string()) + " (" + side.method + ")" +
                           arithmetic_remark(arithmetic_json(*side.loaded.model)),
                       repl.render_options().width));
}

void set_model(Repl& repl, const Arguments& args) {
  if (args.empty()) {
    for (const auto& [name, side] : {std::pair("words", &repl.words), std::pair("thoughts", &repl.thoughts)})
      print_model(repl, name, *side);
    return;
  }
  require(args.size() >= 2, "repl", "expected '/model words|thoughts DIR [METHOD]' but got no DIR");
  Thinker& chosen = repl.side(args[0], "/model words|thoughts DIR [METHOD]");
  const std::string method = args.size() == 3 ? args[2] : "latent";
  LoadedModel loaded = repl.open(args[1]);
  require_method(loaded, method, "name one behind it, as in /model " + args[0] + " DIR cot");
  const int64_t latents = repl.latents_for(chosen, loaded, method);
  chosen = repl.thinker(std::move(loaded), method, latents);
  print_model(repl, args[0], chosen);
  if (repl.settings.recurrences > 0 && !repl.thinks_in_depth()) {
    repl.settings.recurrences = 0;
    repl.print({"recurrences own: neither side thinks in depth"});
  }
}

void set(Repl& repl, const Arguments& args) {
  const std::vector<ReplSetting> all = repl_settings(repl);
  std::vector<std::vector<std::string>> rows;
  Words names;
  for (const ReplSetting& setting : all) {
    names.push_back(setting.name);
    if (args.empty() || args[0] == setting.name) rows.push_back({setting.name, setting.get(repl), setting.meaning});
    if (args.size() == 2 && args[0] == setting.name) {
      setting.set(repl, args[1]);
      rows.back()[1] = args[1];
    }
  }
  require(!rows.empty(), "repl", "expected a setting that /set lists but got '", args.empty() ? "" : args[0], "'",
          did_you_mean(args.empty() ? "" : args[0], names));
  if (args.empty()) {
    repl.print(table_lines({{"setting"}, {"value"}, {"meaning"}}, rows, repl.render_options(),
                           {.least_last = 20, .wrap = true}));
  } else {
    repl.print({rows[0][0] + " " + rows[0][1]});
  }
}

Words complete_set(const Repl& repl, const Arguments& before, const std::string&) {
  Words words;
  for (const ReplSetting& setting : repl_settings(repl)) {
    if (before.empty()) words.push_back(setting.name);
    if (before.size() == 1 && before[0] == setting.name) words = setting.choices;
  }
  return words;
}

}  // namespace

std::vector<ReplCommand> repl_settings_commands() {
  const auto sides = [](const Arguments& before) { return before.empty() ? Words{"words", "thoughts"} : Words{}; };
  return {
      {"/model",
       "[words|thoughts DIR [METHOD]]",
       "the checkpoints in use, or another one for a side",
       {"DIR is a Hugging Face directory; one with spaces stands in quotes, or has a backslash before each.",
        "METHOD is the checkpoint's own where it is left out; one that was not trained here has none and needs it."},
       0,
       3,
       set_model,
       [sides](const Repl& repl, const Arguments& before, const std::string& word) {
         if (before.size() == 2) return method_names();
         return before.size() == 1 ? model_choices(repl, word) : sides(before);
       },
       /*paths=*/true},
      {"/method",
       "[words|thoughts NAME]",
       "the methods in use, or another one for a side",
       {"The checkpoint stays: one that was trained for another method mostly answers worse. 'latent' is its own."},
       0,
       2,
       set_method,
       [sides](const Repl&, const Arguments& before, const std::string&) {
         return before.size() == 1 ? method_names() : sides(before);
       }},
      {"/latents", "[N]", "thoughts to take; without N the checkpoint's own number", {}, 0, 1, latents},
      {"/set",
       "[NAME [VALUE]]",
       "all settings, one, or another value for it",
       {"Options of a side's method are called thoughts.NAME and words.NAME."},
       0,
       2,
       set,
       complete_set},
  };
}

}  // namespace tacit
