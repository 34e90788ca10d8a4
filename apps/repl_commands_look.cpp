#include <algorithm>
#include <cmath>

#include "apps/render_table.h"
#include "apps/repl_command.h"
#include "apps/thought_readout.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

using Arguments = Repl::Arguments;
using Rows = std::vector<std::vector<std::string>>;

std::string share_text(const Thinker& side, const TokenShare& share, int digits = 0) {
  return printable(side.loaded.tokenizer->token(share.token)) + " " + fixed(share.probability * 100, digits);
}

// A chain of words that never ends would fill the screen.
constexpr int64_t kMostShown = 24;
int64_t shown_rows(int64_t steps) { return steps > kMostShown + 1 ? kMostShown : steps; }

void say_hidden(Lines& lines, int64_t steps, const Thinker& side) {
  const int64_t hidden = steps - shown_rows(steps);
  if (hidden > 0)
    lines.push_back("and " + std::to_string(hidden) + " more " + (side.procedure.in_words ? "words" : "thoughts"));
}

// One question thought through again, with a readout of every place where a thought was taken.
struct Watched {
  Reply reply;
  std::vector<ThoughtReadout> readouts;             // by thought
  std::vector<std::vector<ThoughtReadout>> layers;  // by thought and block; empty where not asked for
};

ThoughtReadout read_layer(const Transformer& model, const at::Tensor& hidden_BD) {
  return read_logits(model.logits(model.final_norm(hidden_BD))[0], 1);
}

// Blocks whose residual streams a session records, in the order in which they run; 0 = not known beforehand.
int64_t recorded_blocks(const Thinker& side) {
  const ModelConfig& config = side.loaded.model->config();
  return config.depth.recurrent || config.nested.high_cycles > 0 || side.procedure.parallel ? 0 : config.layers;
}

Watched watch(const Repl& repl, const std::string& name, const Thinker& side, int64_t top, bool layers) {
  Watched out;
  const Transformer& model = *side.loaded.model;
  const int64_t blocks = layers ? recorded_blocks(side) : 0;
  AskOptions options{.layers = blocks > 0};
  options.watch = [&](int64_t, const StepState& state, const NextInput&) {
    out.readouts.push_back(read_logits(state.logits_BV()[0], top));
    if (blocks == 0) return;
    out.layers.emplace_back();
    for (int64_t block = 0; block < blocks; ++block)
      out.layers.back().push_back(read_layer(model, state.layer_BD(block)));
  };
  out.reply = repl.answer(name, side, repl.question, options);
  if (side.procedure.parallel) {  // nothing stands between them to be watched: each is read as it is
    const at::Tensor logits_KV = model.logits(out.reply.trace_KD);
    for (int64_t k = 0; k < out.reply.steps; ++k) out.readouts.push_back(read_logits(logits_KV[k], top));
  }
  return out;
}

Lines title_of(const std::string& name, const Reply& reply, const RenderOptions& options) {
  const std::string answer = "answer " + (reply.answer.empty() ? "(none)" : printable(reply.answer));
  Lines lines = wrap_parts({name, reply.method, capped_steps_text(reply), answer}, options.width);
  for (std::string& line : lines) line = paint(line, Tone::bold, options.colour);
  lines.emplace_back();
  return lines;
}

// `value` right-aligned, then a bar of it.
std::string with_bar(const std::string& value, int64_t width, double share, int64_t columns, bool colour) {
  const std::string number = std::string(std::max<int64_t>(0, width - display_width(value)), ' ') + value;
  return pad(number + " " + paint(bar(share, columns), Tone::lit, colour), width + 1 + columns);
}

void trace(Repl& repl, const Arguments& given) {
  Arguments args = given;
  const std::string name = repl.take_side(args);
  require(args.empty(), "repl", "expected '/trace [words|thoughts]' but got '", join_words(args), "'");
  repl.require_question();
  const Thinker& side = chosen_side(repl, name);
  const Watched seen = watch(repl, name, side, 1, false);
  const RenderOptions options = repl.render_options();
  const at::Tensor thoughts_KD = seen.reply.trace_KD.to(at::kCPU, at::kDouble);
  const double most_entropy = std::log(static_cast<double>(side.loaded.tokenizer->vocab_size()));
  double most_norm = 0;
  std::vector<double> norms;
  for (int64_t k = 0; k < seen.reply.steps; ++k) {
    norms.push_back(thoughts_KD[k].norm().item<double>());
    most_norm = std::max(most_norm, norms.back());
  }
  const int64_t columns = std::clamp<int64_t>((options.width - 52) / 2, 4, 16);
  Rows rows;
  for (int64_t k = 0; k < shown_rows(seen.reply.steps); ++k) {
    std::string similarity = "–";
    if (k > 0 && norms[k] > 0 && norms[k - 1] > 0) {
      similarity = fixed((thoughts_KD[k] * thoughts_KD[k - 1]).sum().item<double>() / norms[k] / norms[k - 1], 3);
    }
    const ThoughtReadout& readout = seen.readouts.at(k);
    const std::string word = k < std::ssize(seen.reply.tokens)
                                 ? printable(side.loaded.tokenizer->token(seen.reply.tokens[k]))
                                 : share_text(side, readout.top[0]);
    rows.push_back(
        {std::to_string(k + 1),
         with_bar(fixed(norms[k], 2), 7, most_norm > 0 ? norms[k] / most_norm : 0, columns, options.colour), similarity,
         with_bar(fixed(readout.entropy, 2), 5, readout.entropy / most_entropy, columns, options.colour), word});
  }
  repl.print(title_of(name, seen.reply, options));
  if (rows.empty()) return repl.print({none_text(seen.reply)});
  const std::string noun = seen.reply.tokens.empty() ? "likeliest %" : "word";
  Lines lines =
      table_lines({{"#", true}, {"   norm"}, {"cosine", true}, {"entropy"}, {noun}}, rows, options, {.least_last = 4});
  say_hidden(lines, seen.reply.steps, side);
  const Lines legend = wrap_text(
      "norm of the vector fed back; cosine with the one before; entropy in nats of what is read where it was "
      "taken, a full bar is ln " +
          std::to_string(side.loaded.tokenizer->vocab_size()) + " = " + fixed(most_entropy, 2),
      options.width);
  for (const std::string& line : legend) lines.push_back(paint(line, Tone::dim, options.colour));
  repl.print(lines);
}

// Columns of thoughts, as many beside each other as fit.
Lines layer_panels(const Thinker& side, const Watched& seen, const RenderOptions& options) {
  const int64_t thoughts = shown_rows(std::ssize(seen.layers)), blocks = std::ssize(seen.layers[0]);
  int64_t cell = 4;
  for (int64_t k = 0; k < thoughts; ++k) {
    for (const ThoughtReadout& one : seen.layers[k]) cell = std::max(cell, display_width(share_text(side, one.top[0])));
  }
  const int64_t beside = std::clamp<int64_t>((options.width - 8) / (cell + 2), 1, thoughts);
  Lines lines;
  for (int64_t begin = 0; begin < thoughts; begin += beside) {
    const int64_t end = std::min(thoughts, begin + beside);
    std::vector<TableColumn> columns = {{"block", true}};
    for (int64_t k = begin; k < end; ++k) columns.push_back({std::to_string(k + 1), true});
    Rows rows;
    for (int64_t block = 0; block < blocks; ++block) {
      rows.push_back({std::to_string(block + 1)});
      for (int64_t k = begin; k < end; ++k) rows.back().push_back(share_text(side, seen.layers[k][block].top[0]));
    }
    if (begin > 0) lines.emplace_back();
    const Lines panel = table_lines(columns, rows, options, {.least_last = 0});
    lines.insert(lines.end(), panel.begin(), panel.end());
  }
  return lines;
}

void lens(Repl& repl, const Arguments& given) {
  Arguments args = given;
  const std::string name = repl.take_side(args);
  require(args.size() <= 1, "repl", "expected '/lens [words|thoughts] [K]' but got '", join_words(given), "'");
  const int64_t top = args.empty() ? repl.settings.top : parse_count(args[0], "a number of tokens", 1, 1000);
  repl.require_question();
  const Thinker& side = chosen_side(repl, name);
  const Watched seen = watch(repl, name, side, top, true);
  const RenderOptions options = repl.render_options();
  Lines lines = title_of(name, seen.reply, options);
  for (int64_t k = 0; k < shown_rows(std::ssize(seen.readouts)); ++k) {
    std::vector<std::string> parts;
    for (const TokenShare& share : seen.readouts[k].top) parts.push_back(share_text(side, share, 1) + " ");
    if (!parts.empty()) parts.back().pop_back();
    const Lines wrapped = wrap_words(parts, options.width - 4);
    for (size_t i = 0; i < wrapped.size(); ++i) {
      const std::string number = i == 0 ? std::to_string(k + 1) : "";
      lines.push_back(pad(std::string(std::max<int64_t>(0, 2 - std::ssize(number)), ' ') + number, 4) + wrapped[i]);
    }
  }
  if (seen.readouts.empty()) lines.push_back(none_text(seen.reply));
  say_hidden(lines, std::ssize(seen.readouts), side);
  if (!seen.layers.empty()) {
    lines.emplace_back();
    for (const std::string& line : wrap_text("likeliest behind each block, by thought", options.width))
      lines.push_back(line);
    lines.emplace_back();
    const Lines panels = layer_panels(side, seen, options);
    lines.insert(lines.end(), panels.begin(), panels.end());
  }
  const Lines legend = wrap_text("tokens and their shares in percent, read where each was taken", options.width);
  for (const std::string& line : legend) lines.push_back(paint(line, Tone::dim, options.colour));
  repl.print(lines);
}

}  // namespace

std::vector<ReplCommand> repl_look_commands() {
  const auto sides = [](const Repl&, const Arguments& before, const std::string&) {
    return before.empty() ? std::vector<std::string>{"words", "thoughts"} : std::vector<std::string>{};
  };
  return {
      {"/trace",
       "[SIDE]",
       "each thought's norm, likeness to the one before, and entropy",
       {"SIDE is words or thoughts, thoughts where it is left out.",
        "The current question is thought through again. Entropy is that of the readout a thought was taken from."},
       0,
       1,
       trace,
       sides},
      {"/lens",
       "[SIDE] [K]",
       "the K likeliest tokens of every thought, and by block",
       {"K is the setting 'top' where it is left out. What stands behind each block goes through the final norm first",
        "(logit lens); models that think in depth, or at all positions at once, are not read by block."},
       0,
       2,
       lens,
       sides},
  };
}

}  // namespace tacit
