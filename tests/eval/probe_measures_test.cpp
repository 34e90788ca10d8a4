#include <doctest/doctest.h>

#include <cmath>

#include "eval/probe/dimension.h"
#include "eval/probe/frontier.h"
#include "eval/probe/jackknife.h"
#include "eval/probe/lens.h"
#include "eval/probe/linear_probe.h"
#include "eval/probe/separability.h"
#include "lib/core/error.h"
#include "lib/core/rng.h"
#include "tests/eval/probe_support.h"

using namespace tacit;
using namespace tacit::probe;

namespace {

std::vector<double> doubles(const at::Tensor& x_N) {
  const at::Tensor plain = x_N.to(at::kDouble).contiguous();
  return {plain.const_data_ptr<double>(), plain.const_data_ptr<double>() + plain.numel()};
}

std::vector<int64_t> every(int64_t begin, int64_t end) {
  std::vector<int64_t> out;
  for (int64_t i = begin; i < end; ++i) out.push_back(i);
  return out;
}

}  // namespace

TEST_CASE("distance to a hull: 0 for planted mixtures, known distances outside, and a bound that holds") {
  const at::Tensor e_VD = test::normal(40, 24, 1);
  Rng rng(2);
  for (int64_t trial = 0; trial < 5; ++trial) {
    at::Tensor weight_V = at::zeros({40}, at::kDouble);
    for (int64_t i = 0; i < 2 + 5 * trial; ++i) weight_V[rng.below(40)] += rng.uniform() + .01;
    weight_V = weight_V / weight_V.sum();
    const HullDistance found = distance_to_hull(weight_V.matmul(e_VD), e_VD);
    CHECK(found.distance < 1e-5);
    CHECK(found.at_least <= found.distance);
  }
  // The standard simplex: from t (1, .., 1) the nearest point is the centre, at |t - 1/D| sqrt(D).
  const at::Tensor simplex_DD = at::eye(6, at::kDouble);
  for (const double t : {-1.0, 0.0, .5, 3.0}) {
    const HullDistance found = distance_to_hull(at::full({6}, t, at::kDouble), simplex_DD);
    CHECK(found.distance == doctest::Approx(std::abs(t - 1.0 / 6) * std::sqrt(6.0)));
    CHECK(found.at_least == doctest::Approx(found.distance));
    CHECK(found.vertices == 6);
  }
  // Beyond a vertex along an axis, and orthogonally off a mixture: a cube of side 2 about the origin.
  std::vector<double> corners;
  for (int64_t i = 0; i < 8; ++i)
    for (int64_t d = 0; d < 3; ++d) corners.push_back((i >> d & 1) != 0 ? 1 : -1);
  const at::Tensor cube_VD = at::tensor(corners, at::kDouble).view({8, 3});
  CHECK(distance_to_hull(at::tensor({4.0, .3, -.2}, at::kDouble), cube_VD).distance == doctest::Approx(3));
  CHECK(distance_to_hull(at::tensor({2.0, 2.0, 2.0}, at::kDouble), cube_VD).distance ==
        doctest::Approx(std::sqrt(3.0)));
  CHECK(distance_to_hull(at::tensor({.5, -.9, .99}, at::kDouble), cube_VD).distance < 1e-6);
  CHECK(distance_to_hull(at::tensor({3.0, 4.0}, at::kDouble), at::zeros({1, 2})).distance == doctest::Approx(5));
  CHECK_THROWS_WITH_AS(distance_to_hull(at::ones({2}), at::ones({0, 2})), doctest::Contains("[distance_to_hull]"),
                       Error);
}

TEST_CASE("distance to a hull agrees with projected gradient on random points") {
  // Plain restatement: minimise |w E - x|^2 over the simplex by many small exponentiated-gradient steps.
  const at::Tensor e_VD = test::normal(7, 5, 3), x_ND = 1.5 * test::normal(4, 5, 4);
  for (int64_t n = 0; n < 4; ++n) {
    at::Tensor w_V = at::full({7}, 1.0 / 7, at::kDouble);
    for (int64_t step = 0; step < 20000; ++step) {
      const at::Tensor gradient_V = e_VD.matmul(w_V.matmul(e_VD) - x_ND[n]);
      w_V = (w_V.clamp_min(1e-300).log() - .02 * gradient_V).softmax(0);
    }
    const double plain = (w_V.matmul(e_VD) - x_ND[n]).norm().item<double>();
    const HullDistance found = distance_to_hull(x_ND[n], e_VD);
    CHECK(found.distance == doctest::Approx(plain).epsilon(1e-3));
    CHECK(found.distance <= plain + 1e-9);
  }
}

TEST_CASE("nearest tokens by cosine: length does not matter, equals come by id") {
  const at::Tensor e_VD = at::tensor({1.0, 0.0, 0.0, 5.0, 3.0, 0.0, 0.0, 0.0}, at::kDouble).view({4, 2});
  const auto near = nearest_tokens(at::tensor({2.0, 0.0}, at::kDouble), e_VD, 9);
  REQUIRE(near.size() == 4);
  CHECK(near[0].token == 0);
  CHECK(near[1].token == 2);
  CHECK(near[0].cosine == doctest::Approx(1));
  CHECK(near[2].cosine == doctest::Approx(0));
}

TEST_CASE("frontier: a planted superposition of nodes is recovered, random vectors score chance") {
  const at::Tensor e_VD = test::normal(40, 256, 5);
  const std::vector<int64_t> set = {3, 8, 21, 30}, others = every(31, 40);
  at::Tensor planted_D = at::zeros({256}, at::kDouble);
  for (const int64_t token : set) planted_D += .1 * e_VD[token];
  const FrontierScore found = frontier_score(doubles(e_VD.matmul(planted_D)), set, others);
  CHECK(found.auc == 1);
  CHECK(found.share > .999);
  CHECK(found.mass > .99);
  CHECK(found.chance == doctest::Approx(4.0 / 13));
  double auc = 0, share = 0;
  const at::Tensor random_ND = test::normal(400, 256, 6) * .05;
  for (int64_t n = 0; n < 400; ++n) {
    const FrontierScore chance = frontier_score(doubles(e_VD.matmul(random_ND[n])), set, others);
    auc += chance.auc / 400, share += chance.share / 400;
  }
  CHECK(std::abs(auc - .5) < .04);
  CHECK(std::abs(share - 4.0 / 13) < .04);
  // Ties count half; a readout that knows nothing is exactly at chance.
  const FrontierScore flat = frontier_score(std::vector<double>(40, 1.0), set, others);
  CHECK(flat.auc == .5);
  CHECK(flat.mass == doctest::Approx(4.0 / 40));
  CHECK_THROWS_AS(frontier_score(std::vector<double>(40, 1.0), {}, others), Error);
  CHECK_THROWS_AS(frontier_score(std::vector<double>(9, 1.0), set, others), Error);
}

TEST_CASE("dimension: a planted subspace gives its own, isotropic noise the formula of a finite sample") {
  // Orthonormal columns of equal weight: the participation ratio is k exactly.
  for (const int64_t k : {1, 3, 10}) {
    at::Tensor coordinates_NK = test::normal(200, k, 7);
    coordinates_NK = coordinates_NK - coordinates_NK.mean(0);
    const auto [q_NK, r_KK] = at::linalg_qr(coordinates_NK);
    const auto [basis_DK, unused] = at::linalg_qr(test::normal(32, k, 8));
    const Dimension found = dimension(q_NK.matmul(basis_DK.t()) + 5);
    CHECK(found.participation == doctest::Approx(static_cast<double>(k)));
    CHECK(found.components == static_cast<int64_t>(std::ceil(.9 * static_cast<double>(k) - 1e-9)));
    CHECK(found.width == 32);
  }
  for (const auto& [samples, width] : {std::pair<int64_t, int64_t>{2000, 16}, {300, 128}, {50, 128}}) {
    double mean = 0;
    for (uint64_t seed = 0; seed < 5; ++seed) mean += participation_ratio(test::normal(samples, width, 10 + seed)) / 5;
    CHECK(mean == doctest::Approx(isotropic_participation(samples, width)).epsilon(.02));
  }
  CHECK(isotropic_participation(int64_t{1} << 40, 64) == doctest::Approx(64));
  const Dimension nothing = dimension(at::ones({5, 4}));
  CHECK(nothing.participation == 0);
  CHECK(nothing.components == 0);
  CHECK_THROWS_AS(dimension(at::ones({1, 4})), Error);
}

TEST_CASE("separation: equal isotropic clusters give the closed form") {
  // K means s e_c, and about each the points +- w e_d sqrt(D) for every d: S_W = w^2 I exactly, S_B has K - 1
  // eigenvalues s^2 / K. So D = K (K - 1) w^2 / s^2.
  constexpr int64_t K = 4, D = 9;
  constexpr double s = 3, w = .2;
  std::vector<at::Tensor> rows;
  std::vector<int64_t> labels;
  for (int64_t c = 0; c < K; ++c) {
    for (int64_t d = 0; d < D; ++d) {
      for (const double sign : {-1.0, 1.0}) {
        at::Tensor x_D = at::zeros({D}, at::kDouble);
        x_D[c] += s;
        x_D[d] += sign * w * std::sqrt(static_cast<double>(D));
        rows.push_back(x_D);
        labels.push_back(10 * c);
      }
    }
  }
  const at::Tensor x_ND = at::stack(rows);
  const Separation found = separation(x_ND, labels);
  CHECK(found.d == doctest::Approx(K * (K - 1) * w * w / (s * s)));
  CHECK(found.nc1 == doctest::Approx(found.d / K));
  CHECK(found.within == doctest::Approx(D * w * w));
  CHECK(found.between == doctest::Approx(s * s * (1 - 1.0 / K)));
  CHECK(found.classes == K);
  CHECK(found.items == 2 * K * D);
  // Turning, scaling and shifting the space change nothing.
  const at::Tensor turned_ND = x_ND.matmul(std::get<0>(at::linalg_qr(test::normal(D, D, 11)))) * 20 + 7;
  CHECK(separation(turned_ND, labels).d == doctest::Approx(found.d));

  // Shuffled labels separate nothing; a lone item of a class is left out.
  Rng rng(12);
  std::vector<int64_t> shuffled = labels;
  rng.shuffle(shuffled);
  CHECK(separation(x_ND, shuffled).d > 20 * found.d);
  const at::Tensor more_ND = at::cat({x_ND, at::full({1, D}, 100.0, at::kDouble)});
  std::vector<int64_t> with_lone = labels;
  with_lone.push_back(99);
  CHECK(separation(more_ND, with_lone).d == doctest::Approx(found.d));
  CHECK(std::isinf(separation(at::ones({4, 2}), {0, 0, 1, 1}).d));
  CHECK_THROWS_AS(separation(x_ND, std::vector<int64_t>(x_ND.size(0), 1)), Error);
}

TEST_CASE("log-linear fit of separation by layer") {
  const LogLinear line = log_linear(std::vector<double>{8, 4, 2, 1});
  CHECK(line.ratio == doctest::Approx(.5));
  CHECK(line.r == doctest::Approx(-1));
  CHECK(log_linear(std::vector<double>{8, 4}).ratio == doctest::Approx(.5));
  CHECK(std::isnan(log_linear(std::vector<double>{8, 4}).r));
  CHECK(std::isnan(log_linear(std::vector<double>{8}).ratio));
}

TEST_CASE("linear probe: finds a planted direction, scores chance on shuffled labels and on noise") {
  const at::Tensor means_CD = 2 * test::normal(4, 20, 13);
  at::Tensor x_ND = test::normal(400, 20, 14);
  std::vector<int64_t> labels;
  Rng rng(15);
  for (int64_t n = 0; n < 400; ++n) {
    labels.push_back(rng.below(4) * 2);  // labels need not be dense
    x_ND[n] += means_CD[labels.back() / 2];
  }
  const auto mean = [](const std::vector<double>& values) {
    double sum = 0;
    for (const double value : values) sum += value / static_cast<double>(values.size());
    return sum;
  };
  const LinearProbe found = linear_probe(x_ND, labels);
  CHECK(found.hits.size() == 120);
  CHECK(found.classes == 4);
  CHECK(mean(found.hits) > .97);
  CHECK(mean(found.permuted) < .45);
  CHECK(mean(linear_probe(test::normal(400, 20, 16), labels).hits) < .4);
  CHECK(found.majority > .15);
  CHECK(found.majority < .4);
  // Shift and scale of a feature change nothing, and a constant one breaks nothing.
  at::Tensor moved_ND = x_ND.clone();
  moved_ND.select(1, 3) = 1000 * moved_ND.select(1, 3) - 5;
  CHECK(linear_probe(moved_ND, labels).hits == found.hits);
  CHECK(linear_probe(at::cat({x_ND, at::full({400, 1}, 3.0, at::kDouble)}, 1), labels).hits == found.hits);
  CHECK(linear_probe(x_ND, labels, {.seed = 1}).test != found.test);
  CHECK_THROWS_AS(linear_probe(x_ND.narrow(0, 0, 5), std::vector<int64_t>(5, 0)), Error);
}

TEST_CASE("linear probe: the weights are those of the normal equations, written out for two classes") {
  // One feature x = 0..9 and label (x > 4): standardised z, y centred; w = mean(z y) / (1 + ridge).
  at::Tensor x_N1 = at::arange(40, at::kDouble).unsqueeze(1);
  std::vector<int64_t> labels(40, 0);
  for (int64_t n = 20; n < 40; ++n) labels[n] = 1;
  const LinearProbe found = linear_probe(x_N1, labels, {.ridge = .5});
  std::vector<char> test(40, 0);
  for (const int64_t n : found.test) test[n] = 1;
  double count = 0, mean = 0, square = 0, y = 0, zy = 0;
  for (int64_t n = 0; n < 40; ++n)
    if (!test[n]) count += 1, mean += static_cast<double>(n), y += static_cast<double>(labels[n]);
  mean /= count, y /= count;
  for (int64_t n = 0; n < 40; ++n)
    if (!test[n]) square += (static_cast<double>(n) - mean) * (static_cast<double>(n) - mean) / count;
  for (int64_t n = 0; n < 40; ++n)
    if (!test[n])
      zy += (static_cast<double>(n) - mean) / std::sqrt(square) * (static_cast<double>(labels[n]) - y) / count;
  for (int64_t i = 0; i < std::ssize(found.test); ++i) {
    const double z = (static_cast<double>(found.test[i]) - mean) / std::sqrt(square);
    CHECK(found.scores_NC[i][1].item<double>() == doctest::Approx(y + z * zy / 1.5));
  }
}

TEST_CASE("jackknife: of a mean it is the standard error of the group means, and constants have no width") {
  // Ten equal groups: leaving one out, the mean is (sum - group) / 9n; the interval is +- 1.96 sd(group means) /
  // sqrt(10).
  std::vector<double> values;
  Rng rng(20);
  for (int64_t i = 0; i < 400; ++i) values.push_back(rng.normal());
  const auto mean = [&](const std::vector<int64_t>& kept) {
    double sum = 0;
    for (const int64_t i : kept) sum += values[i] / static_cast<double>(kept.size());
    return sum;
  };
  const Estimate found = jackknife(mean(every(0, 400)), 400, mean);
  CHECK((found.high - found.low) / 2 == doctest::Approx(1.96 / 20).epsilon(.6));  // 9 degrees of freedom
  CHECK((found.high + found.low) / 2 == doctest::Approx(found.mean));
  const Estimate constant = jackknife(3, 400, [](const std::vector<int64_t>&) { return 3.0; });
  CHECK(constant.low == 3);
  CHECK(constant.high == 3);
  const Estimate few = jackknife(3, 19, mean);
  CHECK(few.low == few.high);
}
