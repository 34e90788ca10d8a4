#include <ATen/Parallel.h>

#include <array>
#include <limits>
#include <string>
#include <utility>

#include "lib/core/error.h"
#include "lib/kernels/gated_mlp/gated_mlp_reference.h"
#include "lib/kernels/latent_loop/loop_rows.h"
#include "tests/lib/kernels_latent_loop_checks.h"

namespace tacit::test {
namespace {

constexpr LatentLoopCase kLoopCases[] = {{at::kCPU, at::kFloat, 2e-5}, {at::kCPU, at::kBFloat16, 0.03}};

TEST_CASE("latent_loop on the CPU is its twin in fp64, for every structure") {
  for (const LatentLoopCase& entry : kLoopCases) {
    for (const LatentLoopShape& shape : latent_loop_shapes()) check_latent_loop(entry, shape);
  }
}

TEST_CASE("latent_loop gives the same bits step by step, and to each row alone") {
  for (const LatentLoopCase& entry : kLoopCases) {
    for (const LatentLoopShape& shape : latent_loop_shapes()) check_latent_loop_bits(entry, shape);
  }
}

TEST_CASE("latent_loop goes on with the last of its rows, over more panels than one call multiplies") {
  const LatentLoopShape two = {.name = "two rows", .rows = 2, .steps = 5, .size = 64, .mlp_size = 1024, .halt = true};
  for (const LatentLoopCase& entry : kLoopCases) {
    int left_alone = 0;
    for (uint64_t seed = 1; seed <= 6; ++seed) {
      LatentLoopTensors t = random_loop(two, entry.dtype, seed);
      latent_loop_reference(t, entry.dtype);
      left_alone += t.steps_B[0] != t.steps_B[1];
      check_latent_loop(entry, two, seed);
    }
    REQUIRE(left_alone > 0);
    check_latent_loop(entry, {.name = "one row, many gates", .rows = 1, .size = 64, .mlp_size = 1024});
  }
}

TEST_CASE("latent_loop gives the same bits on any number of threads, also inside of a parallel region") {
  const LatentLoopShape shape = {.name = "a team's worth", .rows = 5, .size = 512, .mlp_size = 1000};
  const LatentLoopTensors start = random_loop(shape, at::kBFloat16, 1);
  const int before = at::get_num_threads();
  at::Tensor first;
  for (const int threads : {1, 2, 3, 7}) {
    at::set_num_threads(threads);
    LatentLoopTensors t = on_device(start, kLoopCases[1]);
    LoopCall(t).run();
    if (threads == 1) first = t.hidden_BD;
    CHECK(at::equal(t.hidden_BD, first));
  }
  at::set_num_threads(2);
  std::vector<LatentLoopTensors> all;
  for (int i = 0; i < 2; ++i) all.push_back(on_device(start, kLoopCases[1]));
  std::vector<LoopCall> calls;
  calls.reserve(all.size());
  for (LatentLoopTensors& t : all) calls.emplace_back(t);
  at::parallel_for(0, 2, 1, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) calls[i].run();
  });
  for (const LatentLoopTensors& t : all) CHECK(at::equal(t.hidden_BD, first));
  at::set_num_threads(before);
}

TEST_CASE("activations of a row of any length are their formula in fp64, and keep NaN visible") {
  const std::pair<LoopActivation, MlpActivation> kinds[] = {
      {LoopActivation::gelu, MlpActivation::gelu},
      {LoopActivation::gelu_tanh, MlpActivation::gelu_tanh},
      {LoopActivation::silu, MlpActivation::silu},
      {LoopActivation::relu, MlpActivation::relu},
      {LoopActivation::relu_squared, MlpActivation::relu_squared}};
  for (const auto& [kind, twin] : kinds) {
    for (int i = 0; i < 21; ++i) {
      const int64_t count = std::array{1, 3, 4, 9, 31, 64, 67}[i % 7];
      const auto vectors = static_cast<CpuVectors>(i / 7);
      if (vectors > cpu_vectors()) break;
      CAPTURE(static_cast<int>(twin));
      CAPTURE(static_cast<int>(vectors));
      CAPTURE(count);
      const at::Tensor x = at::randn({count}) * 5, up = at::randn({count});
      x[0] = count % 2 == 0 ? -60.f : 60.f;
      const Guarded plain({count}, at::kFloat), gated({count}, at::kFloat);
      const auto activate = [&](const float* by, const Guarded& y) {
        activate_row(kind, count, x.const_data_ptr<float>(), by, static_cast<float*>(y.data()), vectors);
      };
      activate(nullptr, plain);
      activate(up.const_data_ptr<float>(), gated);
      const auto near = [&](const Guarded& got, const at::Tensor& want) {
        CHECK(((got.tensor() - want).abs() <= 1e-6 * want.abs().clamp_min(1)).all().item<bool>());
        CHECK(got.intact());
      };
      near(plain, gated_mlp_reference({}, x.to(at::kDouble), twin));
      near(gated, gated_mlp_reference(x.to(at::kDouble), up.to(at::kDouble), twin));
      x[count - 1] = std::numeric_limits<float>::quiet_NaN();
      activate(nullptr, plain);
      CHECK(plain.tensor()[count - 1].isnan().item<bool>());
    }
  }
}

TEST_CASE("latent_loop of no rows or no steps touches nothing") {
  LatentLoopTensors t = on_device(random_loop({.rows = 2}, at::kFloat, 1), kLoopCases[0]);
  const at::Tensor before = t.hidden_BD.clone();
  t.sizes.steps = 0;
  LoopCall(t).run();
  CHECK(at::equal(t.hidden_BD, before));
  LatentLoopArgs none = t.sizes;
  none.layers = 1;
  none.rotary_size = 0;
  latent_loop(none, {});
  latent_loop(none, {.device = DeviceKind::cuda});
}

TEST_CASE("latent_loop refuses arguments that cannot be meant, saying which") {
  const LatentLoopTensors good = on_device(random_loop({.rows = 2, .steps = 3}, at::kFloat, 1), kLoopCases[0]);
  const auto refused = [&](const auto& change, const std::string& message) {
    LatentLoopTensors t = good;
    change(t);
    CHECK_THROWS_WITH_AS(LoopCall(t).run(), doctest::Contains(message.c_str()), Error);
  };
  refused([](auto& t) { t.sizes.steps = -1; }, "[latent_loop] expected at least 0 rows and steps but got 2 and -1");
  refused([](auto& t) { t.sizes.kv_heads = 3; }, "[latent_loop] expected positive sizes with kv_heads dividing heads");
  refused([](auto& t) { t.sizes.eps = -1; }, "[latent_loop] expected a finite eps >= 0 but got -1");
  refused([](auto& t) { t.sizes.rotary_size = 18; }, "expected an even rotary_size of 0 to 16 but got 18");
  refused([](auto& t) { t.cos_PE = at::Tensor(); }, "expected cos_PE and sin_PE for rotary positions");
  refused([](auto& t) { t.x_BD = t.x_BD.clone(), t.final_norm.weight_D = at::Tensor(); }, "but final_norm is null");
  refused([](auto& t) { t.stored_B[1] = 22; },
          "expected 0 to 21 tokens stored in row 1 (24 columns, 3 steps) but got 22");
  refused(
      [](auto& t) {
        t.block[1].out.weight_OI = at::zeros({48, 63});
      },
      "expected out of shape [48, 64] but got [48, 63]");
  refused([](auto& t) { t.block[0].down.weight_OI = at::Tensor(); }, "expected weights of down but they are null");
  refused([](auto& t) { t.block[0].mlp_norm.weight_D = at::Tensor(); }, "expected norms before attention and MLP");
  refused([](auto& t) { t.block[0].k_BGCE = at::Tensor(); }, "expected keys and values but they are null");
  refused([](auto& t) { t.block[0].smear_G = at::zeros({2}); }, "expected last_k_BGE beside smear_G");
  refused([](auto& t) { t.sizes.parallel = true, t.block[0].mlp_post_norm = t.final_norm; },
          "expected no norms after the parts of a parallel block");
  refused([](auto& t) { t.halt.weight_OI = at::zeros({2, 48}); }, "expected halt of shape [1, 48] but got [2, 48]");
}

}  // namespace
}  // namespace tacit::test
