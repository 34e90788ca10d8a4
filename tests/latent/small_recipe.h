#pragma once

#include <string>

#include "latent/method.h"

namespace tacit::test {

// A training of a few tiny updates, with what `method` needs.
inline Json small_recipe(const std::string& method) {
  Json recipe = {
      {"method", method},
      {"steps", 9},
      {"batch", 3},
      {"accumulate", 2},
      {"latents", 2},
      {"checkpoint_every", 4},
      {"validate_every", 5},
      {"growth", {{"fraction", 0.5}, {"min_nodes", 6}, {"max_nodes", 7}, {"min_depth", 1}, {"max_depth", 2}}},
      {"reach", {{"min_nodes", 8}, {"max_nodes", 9}, {"min_depth", 1}, {"max_depth", 3}, {"labels", 10}}},
      {"model", {{"hidden_size", 16}, {"intermediate_size", 16}, {"vocab_size", 18}}}};
  if (!tacit::method(method).counts_thoughts) recipe.erase("latents");
  if (method == "walk") recipe.update({{"walk_length", 12}, {"walk_question", true}});
  if (method == "direct") recipe["bf16"] = true;
  if (method == "pause") recipe["reset_optimizer"] = true;
  if (method == "codi") recipe["options"] = {{"width", 4}, {"vectors", 2}};
  if (method == "sim-cot") recipe["options"] = {{"projector", "linear"}, {"per_step", 2}};
  if (method == "pccot") recipe["options"] = {{"iterations", 2}};
  if (method == "lotus") recipe["options"] = {{"loops", 2}};
  if (method == "huginn")
    recipe["model"] = {{"n_embd", 16},          {"intermediate_size", 16},
                       {"vocab_size", 18},      {"n_layers_in_recurrent_block", 1},
                       {"n_layers_in_coda", 0}, {"mean_recurrence", 2}};
  if (method == "trm")
    recipe["model"] = {{"hidden_size", 16}, {"expansion", 1}, {"vocab_size", 18},   {"H_cycles", 1},
                       {"L_cycles", 1},     {"L_layers", 1},  {"halt_max_steps", 2}};
  if (method == "universal") recipe["options"] = {{"random", true}, {"backprop", 2}, {"mean_recurrences", 2.0}};
  if (method == "ouro") recipe["model"]["total_ut_steps"] = 2;
  return recipe;
}

}  // namespace tacit::test
