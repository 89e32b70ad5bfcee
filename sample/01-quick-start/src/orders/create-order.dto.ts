import { IsInt, IsNotEmpty, IsString, Min } from 'class-validator';

export class CreateOrderDto {
  @IsString()
  @IsNotEmpty()
  product!: string;

  @IsString()
  @IsNotEmpty()
  customer!: string;

  @IsInt()
  @Min(1)
  quantity = 1;
}
