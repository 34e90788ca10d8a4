#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>
#include <torch/csrc/autograd/autograd.h>

#include <limits>

#include "lib/core/error.h"
#include "lib/memory/inference_memory.h"
#include "lib/memory/training_memory.h"

using namespace tacit;

namespace {

constexpr int64_t kHeads = 4, kKvHeads = 2, kSize = 6;

MemoryLayer full_layer() { return {.kv_heads = kKvHeads, .key_size = kSize, .value_size = kSize}; }

MemoryLayer window_layer(int64_t window) {
  MemoryLayer layer = full_layer();
  layer.kind = MemoryLayer::Kind::window;
  layer.window = window;
  return layer;
}

MemoryLayer state_layer() { return {.kind = MemoryLayer::Kind::state, .states = {{3}, {2, 2}}}; }

struct Sequence {
  at::Tensor q_HTE, k_GTE, v_GTE;
};

Sequence sequence(int64_t tokens) {
  return {at::randn({kHeads, tokens, kSize}), at::randn({kKvHeads, tokens, kSize}),
          at::randn({kKvHeads, tokens, kSize})};
}

// Query by query, head by head: what position t finds in the `window` positions up to its own.
at::Tensor found_by_hand(const Sequence& s, int64_t window) {
  at::Tensor out = at::zeros_like(s.q_HTE);
  for (int64_t h = 0; h < kHeads; ++h) {
    const int64_t g = h / (kHeads / kKvHeads);
    for (int64_t t = 0; t < s.q_HTE.size(1); ++t) {
      const int64_t first = std::max<int64_t>(0, t - window + 1), count = t + 1 - first;
      const at::Tensor weight = at::softmax(at::mv(s.k_GTE[g].narrow(0, first, count), s.q_HTE[h][t]) * 0.5, 0);
      out[h][t] = at::mv(s.v_GTE[g].narrow(0, first, count).t(), weight);
    }
  }
  return out;
}

// Feeds rows in ragged segments and gathers what each row's queries found.
std::vector<at::Tensor> feed(InferenceMemory& memory, const std::vector<Sequence>& rows,
                             const std::vector<std::vector<int64_t>>& segments, double padding_factor = 1) {
  const int64_t B = std::ssize(rows);
  std::vector<std::vector<at::Tensor>> found(B);
  for (const auto& counts : segments) {
    const int64_t width = *std::max_element(counts.begin(), counts.end());
    const auto padding = [&](int64_t heads) {
      return (at::randn({B, heads, width, kSize}) * padding_factor).to(rows[0].q_HTE.scalar_type());
    };
    at::Tensor q = padding(kHeads), k = padding(kKvHeads), v = padding(kKvHeads);
    for (int64_t b = 0; b < B; ++b) {
      const int64_t begin = memory.lengths()[b];
      q[b].narrow(1, 0, counts[b]).copy_(rows[b].q_HTE.narrow(1, begin, counts[b]));
      k[b].narrow(1, 0, counts[b]).copy_(rows[b].k_GTE.narrow(1, begin, counts[b]));
      v[b].narrow(1, 0, counts[b]).copy_(rows[b].v_GTE.narrow(1, begin, counts[b]));
    }
    memory.open(counts, width, "test");
    const at::Tensor out = memory.attend(0, q, k, v, {.scale = 0.5});
    memory.close();
    for (int64_t b = 0; b < B; ++b) found[b].push_back(out[b].narrow(1, 0, counts[b]));
  }
  std::vector<at::Tensor> joined;
  for (const auto& parts : found) joined.push_back(at::cat(parts, 1));
  return joined;
}

InferenceMemory one_layer(const MemoryLayer& layer, int64_t rows, int64_t capacity = 16) {
  return InferenceMemory({.layout = {layer}, .rows = rows, .capacity = capacity});
}

}  // namespace

TEST_CASE("a window of any size, fed in any pieces, finds what its last positions hold") {
  at::manual_seed(1);
  const std::vector<Sequence> rows = {sequence(12), sequence(9)};
  const std::vector<std::vector<std::vector<int64_t>>> ways = {
      {{12, 9}}, {{1, 1}, {1, 0}, {7, 3}, {0, 5}, {3, 0}}, {{5, 5}, {1, 1}, {1, 1}, {1, 1}, {4, 1}}};
  for (const int64_t window : {1, 2, 3, 5, 8, 12, 15}) {
    for (const auto& segments : ways) {
      InferenceMemory memory = one_layer(window_layer(window), 2);
      const auto found = feed(memory, rows, segments);
      for (size_t b = 0; b < rows.size(); ++b) {
        CAPTURE(window);
        CHECK(at::allclose(found[b], found_by_hand(rows[b], window), 1e-5, 1e-6));
      }
    }
  }
}

TEST_CASE("what stands in columns that a row does not use reaches no row, not even a NaN") {
  for (const bool gradients : {true, false}) {  // without, by kernels where they are faster
    const at::AutoGradMode mode(gradients);
    at::manual_seed(8);
    const std::vector<Sequence> rows = {sequence(12), sequence(9)};
    for (const MemoryLayer& layer : {full_layer(), window_layer(3)}) {
      InferenceMemory memory = one_layer(layer, 2);
      const auto found = feed(memory, rows, {{9, 2}, {1, 0}, {0, 1}, {2, 6}}, std::numeric_limits<double>::quiet_NaN());
      const int64_t window = layer.kind == MemoryLayer::Kind::window ? 3 : 99;
      for (size_t b = 0; b < rows.size(); ++b)
        CHECK(at::allclose(found[b], found_by_hand(rows[b], window), 1e-5, 1e-6));
    }
  }
}

TEST_CASE("full memory finds everything before and nothing after") {
  for (const bool gradients : {true, false}) {  // without, by kernels where they are faster
    const at::AutoGradMode mode(gradients);
    at::manual_seed(2);
    const std::vector<Sequence> rows = {sequence(12), sequence(9)};
    InferenceMemory memory = one_layer(full_layer(), 2);
    const auto found = feed(memory, rows, {{9, 2}, {1, 1}, {1, 6}, {1, 0}});
    for (size_t b = 0; b < rows.size(); ++b) CHECK(at::allclose(found[b], found_by_hand(rows[b], 99), 1e-5, 1e-6));
  }
}

TEST_CASE("without gradients, and so by kernels where they are faster, full memory finds the same, in bf16 too") {
  const at::NoGradGuard no_grad;
  at::manual_seed(5);
  const std::vector<Sequence> rows = {sequence(130), sequence(90)};
  const auto found_in = [&](at::ScalarType dtype, const std::vector<std::vector<int64_t>>& segments) {
    InferenceMemory memory({.layout = {full_layer()}, .rows = 2, .capacity = 140, .dtype = dtype});
    std::vector<Sequence> narrow;
    for (const Sequence& row : rows) narrow.push_back({row.q_HTE.to(dtype), row.k_GTE.to(dtype), row.v_GTE.to(dtype)});
    return feed(memory, narrow, segments);
  };
  for (const auto& segments : {std::vector<std::vector<int64_t>>{{130, 90}}, {{5, 70}, {1, 1}, {124, 19}}}) {
    const auto fp32 = found_in(at::kFloat, segments), bf16 = found_in(at::kBFloat16, segments);
    for (size_t b = 0; b < rows.size(); ++b) {
      const at::Tensor want = found_by_hand(rows[b], 999);
      CHECK(at::allclose(fp32[b], want, 1e-5, 2e-6));
      CHECK(at::allclose(bf16[b].to(at::kFloat), want, 0.02, 0.02));
    }
  }
}

TEST_CASE("a window is never larger than the memory, which then forgets nothing and may be truncated") {
  for (const bool gradients : {true, false}) {  // without, by kernels where they are faster
    const at::AutoGradMode mode(gradients);
    at::manual_seed(4);
    const std::vector<Sequence> rows = {sequence(14), sequence(9)};
    for (const int64_t window : {16, 100}) {
      InferenceMemory memory = one_layer(window_layer(window), 2);
      CHECK(memory.bytes() == one_layer(full_layer(), 2).bytes());
      const auto found = feed(memory, rows, {{5, 2}, {9, 7}});
      for (size_t b = 0; b < rows.size(); ++b) CHECK(at::allclose(found[b], found_by_hand(rows[b], 99), 1e-5, 1e-6));
      const std::vector<int64_t> shorter = {3, 9};
      CHECK_NOTHROW(memory.truncate(shorter, "truncate"));
    }
  }
}

TEST_CASE("a large memory takes the pages of one that ended, empty, and not of one whose tensors are still held") {
  MemoryLayer layer = full_layer();
  layer.key_size = layer.value_size = 64;
  const auto make = [&] { return one_layer(layer, 2, /*capacity=*/9'999); };  // twice 10 MB
  const auto keys_and_values = [](const InferenceMemory& memory) {
    const StoredKeys kept = memory.stored_keys(0);
    return std::pair(kept.k_BGCE, kept.v_BGCE);
  };
  const auto fill_one = [&](float value) {
    const InferenceMemory memory = make();
    const auto [k, v] = keys_and_values(memory);
    k.fill_(value), v.fill_(value);
    return k.const_data_ptr();
  };
  const void* left = fill_one(std::numeric_limits<float>::quiet_NaN());
  const InferenceMemory second = make();
  const auto [k, v] = keys_and_values(second);
  CHECK(k.const_data_ptr() == left);
  CHECK(k.eq(0).all().item<bool>());
  CHECK(v.eq(0).all().item<bool>());
  CHECK(reinterpret_cast<uintptr_t>(v.const_data_ptr()) % 64 == 0);
  at::Tensor held;
  {
    const InferenceMemory third = make();
    held = keys_and_values(third).first.fill_(3);
  }
  CHECK(fill_one(5) != held.const_data_ptr());
  CHECK(held.eq(3).all().item<bool>());
}

TEST_CASE("a fork of a large memory holds its rows' columns") {
  for (const bool gradients : {true, false}) {  // without, by kernels where they are faster
    const at::AutoGradMode mode(gradients);
    at::manual_seed(9);
    MemoryLayer layer = full_layer();
    InferenceMemory memory = InferenceMemory({.layout = {layer}, .rows = 2, .capacity = 60'000});  // twice 6 MB
    const std::vector<Sequence> rows = {sequence(12), sequence(9)};
    feed(memory, rows, {{4, 1}});
    const std::vector<int64_t> swapped = {1, 0, 1};
    InferenceMemory fork = memory.fork(swapped);
    const auto found = feed(fork, {rows[1], rows[0], rows[1]}, {{8, 8, 1}});
    CHECK(at::allclose(found[0], found_by_hand(rows[1], 99).narrow(1, 1, 8), 1e-5, 1e-6));
    CHECK(at::allclose(found[1], found_by_hand(rows[0], 99).narrow(1, 4, 8), 1e-5, 1e-6));
    CHECK(at::allclose(found[2], found_by_hand(rows[1], 99).narrow(1, 1, 1), 1e-5, 1e-6));
  }
}

TEST_CASE("values that lie in the keys are found as if stored apart, in half the memory") {
  for (const bool gradients : {true, false}) {  // without, by kernels where they are faster
    const at::AutoGradMode mode(gradients);
    at::manual_seed(3);
    Sequence row = sequence(12);
    row.v_GTE = row.k_GTE.narrow(2, 0, 4);
    for (const MemoryLayer::Kind kind : {MemoryLayer::Kind::full, MemoryLayer::Kind::window}) {
      MemoryLayer layer = window_layer(3);
      layer.kind = kind;
      layer.value_size = 4;
      layer.values_in_keys = true;
      InferenceMemory memory = one_layer(layer, 1);
      const std::vector<int64_t> begin = {0};
      TrainingMemory plain({layer}, begin, at::kCPU);
      for (const int64_t count : {9, 1, 2}) {
        const int64_t at = memory.lengths()[0];
        const auto part = [&](const at::Tensor& x) { return x.narrow(1, at, count).unsqueeze(0); };
        const std::vector<int64_t> counts = {count};
        memory.open(counts, count, "test");
        plain.open(count);
        const at::Tensor a = memory.attend(0, part(row.q_HTE), part(row.k_GTE), {}, {.scale = 0.5}),
                         b = plain.attend(0, part(row.q_HTE), part(row.k_GTE), {}, {.scale = 0.5});
        memory.close();
        plain.close();
        CHECK(a.sizes() == at::IntArrayRef({1, kHeads, count, 4}));
        CHECK(at::allclose(a, b, 1e-5, 1e-6));
      }
      const int64_t columns = kind == MemoryLayer::Kind::full ? 17 : 4;
      CHECK(memory.bytes() == columns * kKvHeads * kSize * 4);
    }
  }
}

TEST_CASE("training memory with a window is inference memory with that window") {
  at::manual_seed(4);
  const Sequence row = sequence(11);
  const std::vector<int64_t> begin = {0};
  TrainingMemory plain({window_layer(4)}, begin, at::kCPU);
  std::vector<at::Tensor> found;
  int64_t at = 0;
  for (const int64_t count : {6, 1, 1, 3}) {
    plain.open(count);
    const auto part = [&](const at::Tensor& x) { return x.narrow(1, at, count).unsqueeze(0); };
    found.push_back(plain.attend(0, part(row.q_HTE), part(row.k_GTE), part(row.v_GTE), {.scale = 0.5})[0]);
    plain.close();
    at += count;
  }
  CHECK(at::allclose(at::cat(found, 1), found_by_hand(row, 4), 1e-5, 1e-6));
}

TEST_CASE("training memory: the first key is smeared with nothing, whatever segment the padding ends in") {
  at::manual_seed(9);
  const Sequence row = sequence(7);
  const at::Tensor smear_G = at::tensor({0.3f, 0.8f});
  constexpr int64_t padding = 4;
  const auto padded = [&](const at::Tensor& x_HTE) {
    return at::cat({at::randn({x_HTE.size(0), padding, kSize}), x_HTE}, 1).unsqueeze(0);
  };
  const at::Tensor q = padded(row.q_HTE), k = padded(row.k_GTE), v = padded(row.v_GTE);
  const auto found = [&](const std::vector<int64_t>& widths) {
    const std::vector<int64_t> begin = {padding};
    TrainingMemory memory({full_layer()}, begin, at::kCPU);
    std::vector<at::Tensor> parts;
    int64_t at = 0;
    for (const int64_t width : widths) {
      const auto part = [&](const at::Tensor& x) { return x.narrow(2, at, width); };
      memory.open(width);
      parts.push_back(memory.attend(0, part(q), part(k), part(v), {.scale = 0.5, .smear_G = smear_G}));
      memory.close();
      at += width;
    }
    return at::cat(parts, 2).narrow(2, padding, 7);
  };
  Sequence smeared = row;
  const at::Tensor left_GTE = at::cat({at::zeros({kKvHeads, 1, kSize}), row.k_GTE.narrow(1, 0, 6)}, 1);
  smeared.k_GTE = at::lerp(row.k_GTE, left_GTE, smear_G.view({-1, 1, 1}));
  const at::Tensor by_hand = found_by_hand(smeared, 99);
  for (const auto& widths : std::vector<std::vector<int64_t>>{{11}, {4, 7}, {2, 9}, {1, 2, 1, 7}, {3, 3, 5}}) {
    CHECK(at::allclose(found(widths)[0], by_hand, 1e-5, 1e-6));
  }
}

TEST_CASE("a fork goes on as its row would have, whatever the layer keeps") {
  at::manual_seed(5);
  const std::vector<Sequence> rows = {sequence(10), sequence(10)};
  for (const MemoryLayer& layer : {full_layer(), window_layer(3)}) {
    InferenceMemory memory = one_layer(layer, 2);
    feed(memory, rows, {{6, 4}});
    const std::vector<int64_t> chosen = {1, 1, 0};
    InferenceMemory fork = memory.fork(chosen);
    CHECK(fork.lengths() == std::vector<int64_t>{4, 4, 6});
    const auto forked = feed(fork, {rows[1], rows[1], rows[0]}, {{3, 3, 2}});
    const auto plain = feed(memory, rows, {{2, 3}});
    CHECK(at::allclose(forked[0], plain[1], 1e-5, 1e-6));
    CHECK(at::allclose(forked[2], plain[0], 1e-5, 1e-6));
  }
}

TEST_CASE("states are kept by row, forked, and reported in bytes") {
  InferenceMemory memory = one_layer(state_layer(), 2);
  CHECK(memory.bytes_per_row() == (3 + 4) * 4);
  CHECK(memory.state(0, 1).abs().sum().item<float>() == 0);
  memory.set_state(0, 0, at::tensor({1.f, 2.f, 3.f, 4.f, 5.f, 6.f}).view({2, 3}));
  const std::vector<int64_t> chosen = {1, 0};
  InferenceMemory fork = memory.fork(chosen);
  fork.state(0, 0)[0][0] = 9;
  CHECK(memory.state(0, 0)[1][0].item<float>() == 4);
  CHECK(fork.state(0, 0)[1][0].item<float>() == 1);
  CHECK_THROWS_WITH_AS(memory.attend(0, {}, {}, {}, {}), doctest::Contains("a layer that stores keys and values"),
                       Error);
  CHECK_THROWS_WITH_AS(one_layer(full_layer(), 1).state(0, 0), doctest::Contains("a layer with a state"), Error);
}

TEST_CASE("what is truncated and fed again is found as in a memory that never held the rest") {
  at::manual_seed(6);
  const std::vector<Sequence> rows = {sequence(10), sequence(10)}, other = {sequence(10), sequence(10)};
  for (const MemoryLayer& layer : {full_layer(), window_layer(12)}) {
    InferenceMemory memory = one_layer(layer, 2), fresh = one_layer(layer, 2);
    feed(memory, {other[0], rows[1]}, {{4, 6}});
    const std::vector<int64_t> kept = {0, 3};
    memory.truncate(kept, "test");
    feed(fresh, rows, {{0, 3}});
    const auto a = feed(memory, rows, {{5, 4}}), b = feed(fresh, rows, {{5, 4}});
    for (size_t i = 0; i < a.size(); ++i) CHECK(at::allclose(a[i], b[i], 1e-5, 1e-6));
  }
}

TEST_CASE("a memory that cannot forget says why and stays as it was") {
  at::manual_seed(7);
  const std::vector<Sequence> row = {sequence(10)};
  const std::vector<int64_t> two = {2}, eleven = {11}, both = {1, 1};
  InferenceMemory window = one_layer(window_layer(3), 1);
  feed(window, row, {{5}});
  CHECK_THROWS_WITH_AS(window.truncate(two, "truncate"), doctest::Contains("[truncate]"), Error);
  CHECK_THROWS_WITH_AS(window.truncate(two, "truncate"), doctest::Contains("window has dropped"), Error);
  CHECK(window.lengths() == std::vector<int64_t>{5});
  InferenceMemory state = one_layer(state_layer(), 1);
  const std::vector<int64_t> counts = {4};
  state.open(counts, 4, "test");
  state.close();
  CHECK_THROWS_WITH_AS(state.truncate(two, "truncate"), doctest::Contains("cannot be taken back"), Error);
  MemoryLayer smeared = full_layer();
  smeared.smeared = true;
  InferenceMemory smear = one_layer(smeared, 1);
  feed(smear, row, {{5}});
  CHECK_THROWS_WITH_AS(smear.truncate(two, "truncate"), doctest::Contains("smeared key"), Error);
  InferenceMemory full = one_layer(full_layer(), 1);
  feed(full, row, {{5}});
  CHECK_THROWS_WITH_AS(full.truncate(eleven, "truncate"), doctest::Contains("a length of 0 to 5"), Error);
  CHECK_THROWS_WITH_AS(full.truncate(both, "truncate"), doctest::Contains("one length for each of 1 rows"), Error);
}
