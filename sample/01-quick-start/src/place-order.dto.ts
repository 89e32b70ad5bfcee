import { IsIn, IsInt, IsNotEmpty, IsString, Max, Min } from 'class-validator';
import { PRICES } from './shop.service.js';

export class PlaceOrderDto {
  @IsString()
  @IsNotEmpty()
  customer!: string;

  @IsIn([...PRICES.keys()])
  product!: string;

  @IsInt()
  @Min(1)
  @Max(100)
  quantity!: number;
}
