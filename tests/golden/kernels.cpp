// mmcv's CUDA kernels of point operators, called on the CPU by make_kernels.py.
#include "pytorch_cuda_helper.hpp"

#include "ball_query_cuda_kernel.cuh"
#include "furthest_point_sample_cuda_kernel.cuh"
#include "gather_points_cuda_kernel.cuh"
#include "group_points_cuda_kernel.cuh"
#include "three_interpolate_cuda_kernel.cuh"
#include "three_nn_cuda_kernel.cuh"
namespace membership {  // both define a function of one name
#include "points_in_boxes_cuda_kernel.cuh"
}
namespace pooling {
#include "roipoint_pool3d_cuda_kernel.cuh"
}

const int THREADS = 256;  // what mmcv takes for 256 to 511 points

extern "C" {
void sample(int b, int n, int m, const float *points, float *temp, int *idx) {
  together(b, THREADS, [=] { furthest_point_sampling_forward_cuda_kernel<THREADS>(b, n, m, points, temp, idx); });
}
void sample_rows(int b, int n, int m, const float *rows, float *temp, int *idx) {
  together(b, THREADS, [=] { furthest_point_sampling_with_dist_forward_cuda_kernel<THREADS>(b, n, m, rows, temp, idx); });
}
void ball_query(int b, int n, int m, float low, float high, int k, const float *centers, const float *points, int *idx) {
  in_turn(m, b, 1, [=] { ball_query_forward_cuda_kernel<float>(b, n, m, low, high, k, centers, points, idx); });
}
void three_nn(int b, int n, int m, const float *targets, const float *sources, float *squares, int *idx) {
  in_turn(n, b, 1, [=] { three_nn_forward_cuda_kernel<float>(b, n, m, targets, sources, squares, idx); });
}
void interpolate(int b, int c, int m, int n, const float *points, const int *idx, const float *weight, float *out) {
  in_turn(n, c, b, [=] { three_interpolate_forward_cuda_kernel<float>(b, c, m, n, points, idx, weight, out); });
}
void interpolate_back(int b, int c, int n, int m, const float *grad, const int *idx, const float *weight, float *out) {
  in_turn(n, c, b, [=] { three_interpolate_backward_cuda_kernel<float>(b, c, n, m, grad, idx, weight, out); });
}
void group(int b, int c, int n, int m, int k, const float *points, const int *idx, float *out) {
  in_turn(m * k, c, b, [=] { group_points_forward_cuda_kernel<float>(b, c, n, m, k, points, idx, out); });
}
void group_back(int b, int c, int n, int m, int k, const float *grad, const int *idx, float *out) {
  in_turn(m * k, c, b, [=] { group_points_backward_cuda_kernel<float>(b, c, n, m, k, grad, idx, out); });
}
void gather(int b, int c, int n, int m, const float *points, const int *idx, float *out) {
  in_turn(m, c, b, [=] { gather_points_forward_cuda_kernel<float>(b, c, n, m, points, idx, out); });
}
void gather_back(int b, int c, int n, int m, const float *grad, const int *idx, float *out) {
  in_turn(m, c, b, [=] { gather_points_backward_cuda_kernel<float>(b, c, n, m, grad, idx, out); });
}
void boxes_part(int b, int m, int n, const float *boxes, const float *points, int *out) {
  in_turn(n, b, 1, [=] { membership::points_in_boxes_part_forward_cuda_kernel<float>(b, m, n, boxes, points, out); });
}
void boxes_all(int b, int m, int n, const float *boxes, const float *points, int *out) {
  in_turn(n, b, 1, [=] { membership::points_in_boxes_all_forward_cuda_kernel<float>(b, m, n, boxes, points, out); });
}
void roi_pool(int b, int n, int m, int c, int k, const float *points, const float *boxes, const float *features,
              float *out, int *empty) {
  std::vector<int> assigned(b * n * m), indices(b * m * k);
  int *inside = assigned.data(), *idx = indices.data();
  in_turn(n, m, b, [=] { pooling::assign_pts_to_box3d<float>(b, n, m, points, boxes, inside); });
  in_turn(m, b, 1, [=] { pooling::get_pooled_idx(b, n, m, k, inside, idx, empty); });
  in_turn(k, m, b, [=] { pooling::roipoint_pool3d_forward<float>(b, n, m, c, k, points, idx, features, out, empty); });
}
}
