#include "latent/batch.h"

#include <algorithm>
#include <bit>

#include "latent/token_ids.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

void check_row(const TrainingRow& row, const ModelConfig& config, int64_t number) {
  const int64_t vocabulary = config.vocab_size;
  require_token_ids(config, row.prompt, number, "latent_loss");
  require_token_ids(config, row.rest, number, "latent_loss");
  require(row.rest_trained.size() == row.rest.size(), "latent_loss", "expected rest_trained for each of ",
          row.rest.size(), " tokens but got ", row.rest_trained.size());
  require(static_cast<int64_t>(row.thought_targets.size()) <= row.latents, "latent_loss",
          "expected targets for at most ", row.latents, " thoughts but got ", row.thought_targets.size());
  for (const auto& target : row.thought_targets) {
    for (const int64_t token : target) {
      require(token >= 0 && token < vocabulary, "latent_loss", "expected target tokens below ", vocabulary, " but got ",
              token);
    }
  }
}

int64_t round_up(int64_t x, int64_t step) { return (x + step - 1) / step * step; }

// An eighth more at most, but for narrow ones, and eight widths between powers of two.
int64_t rounded_width(int64_t width) {
  constexpr int64_t kLeastStep = 16;
  const int64_t below = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(width)));
  return round_up(width, std::max(kLeastStep, below / 8));
}

}  // namespace

BatchShape batch_shape(const ModelConfig& config, const std::vector<TrainingRow>& rows) {
  require(!rows.empty(), "latent_loss", "expected at least one row");
  BatchShape out{.rows = std::ssize(rows), .latents = rows[0].latents};
  for (const TrainingRow& row : rows) {
    require(!row.prompt.empty(), "latent_loss", "expected a prompt of at least one token");
    require(row.latents == out.latents, "latent_loss", "expected ", out.latents, " thoughts in every row but got ",
            row.latents);
    check_row(row, config, &row - rows.data());
    out.prompt_width = std::max<int64_t>(out.prompt_width, std::ssize(row.prompt));
    out.rest_width = std::max<int64_t>(out.rest_width, std::ssize(row.rest));
    out.trained += std::ranges::count_if(row.rest_trained, [](char trained) { return trained != 0; });
  }
  const int64_t positions = out.prompt_width + out.latents + out.rest_width;
  require(positions <= config.max_positions, "latent_loss", "expected at most ", config.max_positions,
          " positions but got ", positions);
  return out;
}

BatchShape rounded_shape(BatchShape shape) {
  constexpr int64_t kLeastStep = 16;
  shape.prompt_width = rounded_width(shape.prompt_width);
  shape.rest_width = rounded_width(std::max<int64_t>(shape.rest_width, 1));
  shape.trained = round_up(shape.trained, std::max(kLeastStep, shape.rows * shape.rest_width / 4));
  return shape;
}

std::vector<int64_t> batch_numbers(const std::vector<TrainingRow>& rows, const BatchShape& s) {
  std::vector<int64_t> out(s.numbers(), 0);
  int64_t* const prompt = out.data();
  int64_t* const rest = prompt + s.rows * s.prompt_width;
  int64_t* const begin = rest + s.rows * s.rest_width;
  int64_t* const trained = begin + s.rows;
  int64_t* const label = trained + s.trained;
  std::fill_n(label, s.trained, kNoLabel);
  int64_t n = 0;
  for (int64_t b = 0; b < s.rows; ++b) {
    const TrainingRow& row = rows[b];
    begin[b] = s.prompt_width - std::ssize(row.prompt);
    std::ranges::copy(row.prompt, prompt + b * s.prompt_width + begin[b]);
    std::ranges::copy(row.rest, rest + b * s.rest_width);
    for (int64_t t = 0; t < std::ssize(row.rest); ++t) {
      if (!row.rest_trained[t]) continue;
      trained[n] = b * s.rest_width + t;
      label[n++] = row.rest[t];
    }
  }
  return out;
}

Batch batch_of(const at::Tensor& numbers, const BatchShape& s) {
  int64_t next = 0;
  const auto take = [&](int64_t count) {
    const int64_t from = next;
    next += count;
    return numbers.narrow(0, from, count);
  };
  Batch out{.shape = s};
  out.prompt_BT = take(s.rows * s.prompt_width).view({s.rows, s.prompt_width});
  out.rest_BT = take(s.rows * s.rest_width).view({s.rows, s.rest_width});
  out.begin_B = take(s.rows);
  out.trained_N = take(s.trained);
  out.label_N = take(s.trained);
  return out;
}

Batch make_batch(const std::vector<TrainingRow>& rows, const BatchShape& shape, at::Device device) {
  const std::vector<int64_t> numbers = batch_numbers(rows, shape);
  Batch out = batch_of(at::tensor(numbers, at::kLong).to(device), shape);
  for (const TrainingRow& row : rows) {
    out.begins.push_back(shape.prompt_width - std::ssize(row.prompt));
    out.prompt_size.push_back(std::ssize(row.prompt));
    out.rest_size.push_back(std::ssize(row.rest));
  }
  return out;
}

int64_t positions_of(const std::vector<TrainingRow>& rows) {
  int64_t out = 0;
  for (const TrainingRow& row : rows) out += std::ssize(row.prompt) + std::ssize(row.rest) + row.latents;
  return out;
}

}  // namespace tacit
